//! The data events that show what agents do, by the resource types that a trail must select for them.

use super::finding::Kind;

/// Resource types that belong together.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    /// As in `resources.type`.
    pub(super) types: &'static [&'static str],
    /// The event source of these data events.
    pub(super) source: &'static str,
    /// What a trail without them does not have.
    pub(super) lost: &'static str,
}

/// What Amazon Q, its investigations and Kiro need.
pub(super) const AMAZON_Q: &[Wanted] = &[
    Wanted {
        kind: Kind::NoCodewhispererDataEvents,
        types: &[
            "AWS::CodeWhisperer::Profile",
            "AWS::CodeWhisperer::Customization",
        ],
        source: "codewhisperer.amazonaws.com",
        lost: "what people ask Amazon Q and Kiro in IDEs and command lines: chats, completions, code generation, \
               telemetry of their clients",
    },
    Wanted {
        kind: Kind::NoIntegrationDataEvents,
        types: &["AWS::QDeveloper::Integration"],
        source: "q.amazonaws.com",
        lost: "what Amazon Q does in other products, through its integrations",
    },
    Wanted {
        kind: Kind::NoInvestigationDataEvents,
        types: &["AWS::AIOps::InvestigationGroup"],
        source: "aiops.amazonaws.com",
        lost: "what happens inside operational investigations",
    },
];

/// What other agents need beside that.
pub(super) const OTHER_AGENTS: &[Wanted] = &[
    Wanted {
        kind: Kind::NoGatewayDataEvents,
        types: &["AWS::BedrockAgentCore::Gateway"],
        source: "bedrock-agentcore.amazonaws.com",
        lost: "tool calls through gateways of Bedrock AgentCore",
    },
    Wanted {
        kind: Kind::NoAgentSpaceDataEvents,
        types: &["AWS::AIDevOps::AgentSpace"],
        source: "aidevops.amazonaws.com",
        lost: "what happens inside the agent spaces of AWS DevOps Agent",
    },
];

/// What Amazon Q needs, and with `other_agents` what the others need.
pub(super) fn wanted(other_agents: bool) -> impl Iterator<Item = &'static Wanted> {
    let others = if other_agents { OTHER_AGENTS } else { &[] };
    AMAZON_Q.iter().chain(others)
}

/// Where profiles of Amazon Q and Kiro can be, in a partition of AWS.
pub(super) fn profile_regions(partition: &str) -> &'static [&'static str] {
    match partition {
        "aws" => &["us-east-1", "eu-central-1"],
        "aws-us-gov" => &["us-gov-east-1", "us-gov-west-1"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_trails_of_deploy_and_the_documentation_select_all_of_it() {
        for (file, other_agents) in [
            ("deploy/aws/trail-to-queue.yaml", false),
            ("deploy/terraform/main.tf", false),
            ("docs/agents.md", true),
            ("docs/trail.md", true),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(path).unwrap();
            for kind in wanted(other_agents).flat_map(|wanted| wanted.types) {
                assert!(text.contains(kind), "{file}: no {kind}");
            }
        }
    }
}
