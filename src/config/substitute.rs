//! `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}` and `$$` inside a value.

use super::Environment;
use super::keys::Kind;

/// Replaces the references in a value.
///
/// # Errors
/// A reference that cannot be resolved, with the remedy. The message never holds a value.
pub(super) fn expand(text: &str, env: &Environment, kind: Kind) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(tail) = tail.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = tail.strip_prefix('{') {
            let (reference, tail) = tail
                .split_once('}')
                .ok_or("`${` without `}`: write `$${` for a literal `${`")?;
            out.push_str(&resolve(reference, env, kind)?);
            rest = tail;
        } else {
            out.push('$');
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn resolve(reference: &str, env: &Environment, kind: Kind) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => {
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (name, None),
            };
            env.get(name).or(default).map(str::to_owned).ok_or_else(|| {
                format!("the variable {name} is not set: set it, or write ${{env:{name}:-default}}")
            })
        }
        // A file's content counts as a secret: it is allowed only in values that are never shown.
        Some(("file", _)) if !matches!(kind, Kind::Secret | Kind::Secrets) => Err(
            "${file:PATH} is allowed only in headers and keys: write the value itself".to_owned(),
        ),
        Some(("file", path)) => {
            let content = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the file of ${{file:{path}}}: {error}"))?;
            Ok(content.trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => Err(format!(
            "`${{{reference}}}` is not a reference: write ${{env:NAME}}, ${{env:NAME:-default}} or \
             ${{file:PATH}}, and `$$` for a literal `$`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Environment {
        [("HOST", "otel"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    }

    #[test]
    fn references_are_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("http://${env:HOST}:4317", "http://otel:4317"),
            ("${env:NONE:-local}:${env:HOST:-x}", "local:otel"),
            ("${env:EMPTY:-default}", "default"),
            ("${env:NONE:-}", ""),
            ("a$$b", "a$b"),
            ("$${env:HOST}", "${env:HOST}"),
            ("5$ and $x", "5$ and $x"),
            ("$", "$"),
        ] {
            assert_eq!(
                expand(text, &env(), Kind::Text).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_names_the_remedy() {
        for (text, part) in [
            ("${env:NONE}", "${env:NONE:-default}"),
            ("${HOST}", "${env:NAME}"),
            ("${env:HOST", "without `}`"),
            ("${file:/does/not/exist}", "/does/not/exist"),
        ] {
            let error = expand(text, &env(), Kind::Secrets).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_files_content_loses_its_last_newline_and_stands_only_among_secrets() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let text = format!("Bearer ${{file:{}}}", file.path().display());
        let expanded = expand(&text, &env(), Kind::Secrets);
        assert_eq!(expanded.as_deref(), Ok("Bearer s3cret"));
        assert!(
            expand(&text, &env(), Kind::Url)
                .unwrap_err()
                .contains("headers")
        );
    }
}
