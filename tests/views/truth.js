// What a trail has, from its records alone: nothing of qtrail's is used.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const zlib = require('node:zlib');
const { ROOT } = require('./queries');

const AMAZON_Q = ['q.amazonaws.com', 'codewhisperer.amazonaws.com'];

const byAmazonQ = ({ userIdentity }) => AMAZON_Q.includes(userIdentity?.invokedBy);
const isAgents = (record) => AMAZON_Q.includes(record.eventSource) || byAmazonQ(record) || /AmazonQ-For-/.test(record.userAgent);
const isDenied = ({ errorCode }) => /AccessDenied|Unauthorized/.test(errorCode);

// `enduser.id`.
function person({ userIdentity: { onBehalfOf, userName, principalId } }) {
  return onBehalfOf?.userId ?? userName ?? principalId.split(':').at(-1);
}

// The records of each log file. The demo's broken record lacks a brace, and is left out.
function files(directory) {
  return fs.readdirSync(directory, { recursive: true })
    .filter((file) => file.endsWith('.json.gz'))
    .map((file) => zlib.gunzipSync(fs.readFileSync(path.join(directory, file))).toString())
    .map((text) => JSON.parse(text.replace('"false"},"invokedBy"', '"false"},"broken":true},"invokedBy"')).Records ?? [])
    .map((records) => records.filter(({ userIdentity }) => !userIdentity?.sessionContext?.broken));
}

// Agents' events, or others, each once.
function events(directory, has = isAgents) {
  const records = files(directory).flat().filter(has);
  return [...new Map(records.map((record) => [record.eventID, record])).values()];
}

// The spans that a script finds by the rules of docs/agents.md: those of `events`, and of their conversations.
function spans(directory) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qtrail-truth-'));
  files(directory).forEach((records, n) => fs.writeFileSync(path.join(folder, `${n}.json.gz`), zlib.gzipSync(JSON.stringify({ Records: records }))));
  const lines = execFileSync('python3', [path.join(ROOT, 'tests/ground_truth/tree.py'), folder], { encoding: 'utf8' });
  fs.rmSync(folder, { recursive: true });
  const ids = new Set(events(directory).map(({ eventID }) => eventID));
  return lines.trim().split('\n').map((line) => JSON.parse(line)).filter(({ event }) => event === null || ids.has(event));
}

module.exports = { events, spans, person, isDenied, byAmazonQ };
