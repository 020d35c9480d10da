#!/usr/bin/env python3
"""Computes the trees of a trail's conversations from its records, by the rules of docs/agents.md alone.

    tree.py FOLDER

Reads each *.json.gz below the folder. Prints a JSON line for each distinct event, and one for each conversation. It
shares nothing with qtrail, so that a test can compare the two. It knows the agents of the trails of the crate
qtrail-sample, and no others. Needs Python 3.9 and nothing else.
"""

import datetime
import gzip
import hashlib
import json
import pathlib
import sys
import uuid

REACH = 5 * 60 * 10**9
AMAZON_Q = {"q.amazonaws.com", "codewhisperer.amazonaws.com"}
CHAT = {"SendMessage", "GenerateAssistantResponse", "SendConversation"}
AGENTS = {"aws-mcp.amazonaws.com", "aidevops.amazonaws.com"}


def main():
    events = {}
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            events.setdefault(record["eventID"], Event(record))
    events = sorted(events.values(), key=lambda event: (event.time, event.span))
    for event in events:
        event.parent, event.correlation, event.delta = parent(event, events)
    conversations = roots(events)
    for event in events:
        event.inherit()
    for event in sorted(events, key=lambda event: -event.depth()):
        event.widen(conversations)
    for line in [*events, *conversations.values()]:
        print(json.dumps(line.shown()))


class Event:
    def __init__(self, record):
        self.record = record
        self.id = record["eventID"]
        self.span = sha("qtrail.span:" + self.id, 8)
        self.time = int(datetime.datetime.fromisoformat(record["eventTime"].replace("Z", "+00:00")).timestamp()) * 10**9
        self.identity = record["userIdentity"] or {}
        self.data = record.get("additionalEventData") or {}
        self.request = record.get("requestParameters") or {}
        self.response = record.get("responseElements") or {}
        self.source, self.name = record["eventSource"], record["eventName"]
        self.by_amazon_q, self.kind = self.recognized()
        self.is_agents = self.kind is not None
        if self.name == "AssumeRole" and is_for_approval(self):
            self.kind = "role"
        self.conversation = self.named_conversation()
        self.account = record.get("recipientAccountId") or self.identity.get("accountId")
        person = self.identity.get("principalId") or (self.identity.get("onBehalfOf") or {}).get("userId")
        self.person = person and self.account and (self.account, person)
        self.sign_in = (self.identity.get("sessionContext") or {}).get("signInSessionArn")
        if self.kind == "grant":
            self.sign_in = self.sign_in or self.data.get("signInSessionArn")
        self.trace = self.own_trace()
        self.start, self.end = self.recorded()
        self.own = (self.start, self.end)
        self.is_named = self.conversation is not None

    def recognized(self):
        """Whether it is Amazon Q's, and what an agent did with it, if one did."""
        agent = self.record.get("userAgent") or ""
        if self.source in AMAZON_Q:
            message = any(word in self.name for word in ("Conversation", "Message", "Assistant"))
            return True, "pass" if self.name == "PassRequest" else "message" if message else "own"
        invoker = self.identity.get("invokedBy")
        if invoker in AMAZON_Q:
            return True, "call"
        is_client = "AmazonQ-For-" in agent
        if self.source == "aws-mcp.amazonaws.com" and self.name.startswith("Call"):
            return is_client, "tool"
        if self.source == "aidevops.amazonaws.com":
            return False, "approval" if "Approval" in self.name else "own"
        if self.source == "signin.amazonaws.com" and "//aws-mcp." in self.request.get("resource", ""):
            return False, "grant"
        if is_client:
            return True, "call"
        if {invoker, self.record.get("sourceIPAddress")} & AGENTS:
            return False, "call"
        return False, None

    def named_conversation(self):
        if self.source not in AMAZON_Q:
            return None
        telemetry = self.request.get("telemetryEvent", {}).get("chatAddMessageEvent", {})
        places = self.request, self.request.get("conversationState", {}), telemetry, self.response
        return next((place["conversationId"] for place in places if "conversationId" in place), None)

    def own_trace(self):
        if self.conversation:
            return uuid.UUID(self.conversation).hex
        created = (self.identity.get("sessionContext") or {}).get("attributes", {}).get("creationDate")
        principal = self.identity.get("principalId")
        if self.is_agents:
            if self.sign_in:
                return sha("qtrail.session:" + self.sign_in, 16)
            if principal and created:
                account = self.identity.get("accountId", "")
                return sha(f"qtrail.session:{account}/{principal}/{created}", 16)
        return uuid.UUID(self.id).hex

    def recorded(self):
        """The start and the end that the record gives."""
        if self.source.startswith("s3.") and "startTime" in self.data:
            start, end = self.data["startTime"] * 10**6, self.data["endTime"] * 10**6
            return start, max(end, start + 1)
        telemetry = self.request.get("telemetryEvent", {}).get("chatAddMessageEvent", {})
        length = telemetry.get("fullResponselatency")
        if self.kind == "tool":
            length = self.record.get("mcpEventDetails", {}).get("executionTimeMs")
        return (self.time - length * 10**6, self.time) if length else (self.time, self.time + 1)

    def session(self):
        """The session of an assumed role, as role and name."""
        if self.kind == "role":
            return self.request["roleArn"].split("/")[-1], self.request["roleSessionName"]
        arn = self.identity.get("arn", "")
        return tuple(arn.split("/")[-2:]) if ":assumed-role/" in arn else None

    def inherit(self):
        """Takes the trace and the conversation of the event that caused it."""
        above = self.parent
        if isinstance(above, Event):
            above.inherit()
            self.trace, self.conversation = above.trace, above.conversation

    def depth(self):
        return 1 + self.parent.depth() if isinstance(self.parent, Event) else 0

    def widen(self, conversations):
        """Makes what is above cover it."""
        above = self.parent
        if above:
            above.start, above.end = min(above.start, self.start), max(above.end, self.end)
        if self.conversation:
            root = conversations[self.trace]
            root.start, root.end = min(root.start, self.start), max(root.end, self.end)
            root.messages += self.is_named and self.source in AMAZON_Q and self.name in CHAT
            root.calls += self.kind == "call"
            root.denied += self.record.get("errorCode") == "AccessDenied"

    def shown(self):
        return {
            "event": self.id,
            "span": self.span,
            "trace": self.trace,
            "parent": self.parent and self.parent.span,
            "correlation": self.correlation,
            "delta_ms": self.delta,
            "conversation": self.conversation,
            "start": self.start,
            "end": self.end,
            "derived": (self.start, self.end) != self.own,
        }


class Conversation:
    def __init__(self, event):
        self.conversation, self.trace = event.conversation, event.trace
        self.span = sha("qtrail.conversation-span:" + event.conversation, 8)
        self.start, self.end = event.start, event.end
        self.messages = self.calls = self.denied = 0

    def shown(self):
        names = "span", "trace", "conversation", "start", "end", "messages", "calls", "denied"
        return {name: getattr(self, name) for name in names} | {"event": None, "parent": None}


def roots(events):
    """The conversations, by trace; each of their events gets its conversation as the parent."""
    conversations = {}
    for event in events:
        if event.is_named:
            event.parent = conversations.setdefault(event.trace, Conversation(event))
    return conversations


def parent(event, events):
    """The event that caused this one, how that is known, and the milliseconds between them if it is a guess."""
    nothing = None, None, None
    if event.is_named:
        return nothing
    if event.kind == "role":
        approval = event.request["externalId"]
        approvals = [e for e in events if e.kind == "approval" and e.response["approvalId"] == approval]
        found = last_before(approvals, event.time)
        return (found, "approval_id", None) if found else nothing
    if event.kind == "tool" and event.sign_in:
        grants = [e for e in events if e.kind == "grant" and e.sign_in == event.sign_in]
        # Times of grants are whole seconds; the start of a tool's call is not.
        grants = [e for e in grants if e.time < event.start + 10**9]
        if grants:
            is_one_client = len({e.request["client_id"] for e in grants}) == 1
            return (grants[-1], "sign_in_session", None) if is_one_client else nothing
    if event.kind == "call":
        request = event.record.get("requestID")
        tools = [e for e in events if e.kind == "tool" and e.account == event.account and request in listed(e)]
        if tools:
            return (tools[0], "request_id", None) if len(tools) == 1 else nothing
        roles = [e for e in events if e.kind == "role" and e.session() == event.session()]
        found = last_before(roles, event.time)
        if found:
            return found, "approval_id", None
    if event.kind in ("tool", "call", "pass") and event.by_amazon_q and event.person:
        return nearest(event, events)
    return nothing


def nearest(event, events):
    messages = [e for e in events if e.kind == "message" and e.is_named and e.person == event.person]
    distances = [(abs(e.time - event.time), e.time, e.span, e) for e in messages]
    least = min((distance[0] for distance in distances), default=REACH + 1)
    near = [e for distance, *_, e in sorted(distances, key=lambda d: d[:3]) if distance == least]
    if least > REACH or len({e.trace for e in near}) > 1:
        return None, None, None
    return near[0], "heuristic", int((event.time - near[0].time) / 10**6)


def listed(tool):
    return [request["requestId"] for request in tool.data.get("downstreamRequests", [])]


def is_for_approval(event):
    """Whether the name of the role's session ends in the beginning of the approval's id."""
    name = event.request.get("roleSessionName", "").split(".")[-1]
    return len(name) >= 8 and event.request.get("externalId", "").startswith(name)


def last_before(events, time):
    return next((event for event in reversed(events) if event.time <= time), None)


def sha(text, size):
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * size]


if __name__ == "__main__":
    main()
