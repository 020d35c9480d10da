// A trail with one example of each thing that a dashboard shows or an alert looks for, and their harmless twins.

const crypto = require('node:crypto');

const MINUTE = 60_000;
const DAY = 24 * 60;
const AMAZON_Q = 'q.amazonaws.com';
const CLI = 'aws-cli/2.27.50 ua/2.1 os/linux lang/python#3.13.4 exec-env/AmazonQ-For-CLI-Version-1.12.4';
const CLAUDE = 'aws-cli/2.36.1 ua/2.1 os/linux lang/python#3.13.4 m/E,AN';

// The conversation of mary_major; its id without dashes is its trace id.
const CONVERSATION = 'a298ec0d-0a49-4d2e-92bd-7d6e629b4619';
const TRACE = CONVERSATION.replaceAll('-', '');

// An event `ago` minutes before `now`. Its id is the same in each run.
function event(now, ago, person, account, eventSource, eventName, more = {}) {
  const { invokedBy, ...fields } = more;
  const root = person === 'root';
  const identity = root
    ? { type: 'Root', principalId: account, arn: `arn:aws:iam::${account}:root`, accountId: account }
    : {
        type: 'AssumedRole',
        principalId: `AROAEXAMPLE:${person}`,
        arn: `arn:aws:sts::${account}:assumed-role/Developer/${person}`,
        accountId: account,
        accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
        sessionContext: {
          sessionIssuer: { type: 'Role', principalId: 'AROAEXAMPLE', arn: `arn:aws:iam::${account}:role/Developer`, accountId: account, userName: 'Developer' },
          attributes: { creationDate: '2026-11-01T06:00:00Z', mfaAuthenticated: 'false' },
        },
      };
  const digest = crypto.createHash('sha256').update([ago, person, account, eventSource, eventName].join(' ')).digest('hex');
  const eventID = [8, 4, 4, 4, 12].reduce(([parts, at], n) => [[...parts, digest.slice(at, at + n)], at + n], [[], 0])[0].join('-');
  return {
    eventVersion: '1.11',
    userIdentity: invokedBy ? { ...identity, invokedBy } : identity,
    eventTime: new Date(Math.floor((now - ago * MINUTE) / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
    eventSource,
    eventName,
    awsRegion: 'us-east-1',
    sourceIPAddress: invokedBy ?? '192.0.2.88',
    userAgent: invokedBy ?? 'Mozilla/5.0',
    requestParameters: null,
    responseElements: null,
    requestID: digest.slice(0, 16),
    eventID,
    readOnly: true,
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    ...fields,
  };
}

const denied = { errorCode: 'AccessDenied', errorMessage: 'not authorized' };

function events(now) {
  const one = '111122223333', two = '444455556666';
  const message = { requestParameters: { conversationId: CONVERSATION }, readOnly: false };
  const byQ = { invokedBy: AMAZON_Q };
  const at = (ago, ...rest) => event(now, ago, ...rest);
  return [
    // Five days ago Amazon Q was used in both accounts: it is new in neither. Root used it in the second account.
    at(5 * DAY, 'mary_major', one, 's3.amazonaws.com', 'ListBuckets', byQ),
    at(5 * DAY, 'nikki_wolf', one, 'ec2.amazonaws.com', 'DescribeInstances', { userAgent: CLI }),
    at(5 * DAY, 'paulo_santos', two, 's3.amazonaws.com', 'ListBuckets', byQ),
    at(5 * DAY, 'root', two, 'q.amazonaws.com', 'SendMessage', { requestParameters: { conversationId: 'd3b0c3a0-7f3e-4a5c-9a8e-1f0e5b1c2d3e' }, readOnly: false }),
    at(5 * DAY, 'mary_major', one, 'q.amazonaws.com', 'SendMessage', { requestParameters: { conversationId: 'e4c1d4b1-8f4f-4b6d-8b9f-2a1f6c2d3e4f' }, readOnly: false }),
    // A denial three hours ago is too old for a rule, as is the change behind it.
    at(180, 'paulo_santos', two, 's3.amazonaws.com', 'GetBucketPolicy', { ...byQ, ...denied }),
    at(170, 'paulo_santos', two, 's3.amazonaws.com', 'PutObject', { ...byQ, readOnly: false }),
    // mary_major talks to Amazon Q, is denied, and then something is changed for her.
    at(40, 'mary_major', one, 'q.amazonaws.com', 'StartConversation', message),
    at(39, 'mary_major', one, 'q.amazonaws.com', 'SendMessage', message),
    at(38, 'mary_major', one, 's3.amazonaws.com', 'GetBucketPolicy', { ...byQ, ...denied }),
    at(30, 'mary_major', one, 'q.amazonaws.com', 'SendMessage', message),
    at(29, 'mary_major', one, 's3.amazonaws.com', 'PutBucketPolicy', { ...byQ, readOnly: false }),
    // nikki_wolf: the change came before the denial; behind it, there is only reading, a probe and a failure.
    at(36, 'nikki_wolf', one, 'ec2.amazonaws.com', 'CreateTags', { userAgent: CLI, readOnly: false }),
    at(35, 'nikki_wolf', one, 'ec2.amazonaws.com', 'StopInstances', { userAgent: CLI, readOnly: false, errorCode: 'Client.UnauthorizedOperation' }),
    at(34, 'nikki_wolf', one, 'ec2.amazonaws.com', 'DescribeInstances', { userAgent: CLI }),
    at(33, 'nikki_wolf', one, 'ec2.amazonaws.com', 'StopInstances', { userAgent: CLI, readOnly: false, errorCode: 'Client.DryRunOperation' }),
    at(32, 'nikki_wolf', one, 's3.amazonaws.com', 'PutObject', { userAgent: CLI, readOnly: false, errorCode: 'NoSuchBucket' }),
    // The same person changes something in another account, without a denial there.
    at(31, 'nikki_wolf', two, 'ec2.amazonaws.com', 'CreateTags', { invokedBy: AMAZON_Q, readOnly: false }),
    // arnav_desai is denied and changes something without any agent.
    at(28, 'arnav_desai', one, 's3.amazonaws.com', 'GetBucketPolicy', denied),
    at(27, 'arnav_desai', one, 's3.amazonaws.com', 'PutBucketPolicy', { readOnly: false }),
    // Root talks to Amazon Q: for the first time in the first account. Without an agent it is no matter for these rules.
    at(26, 'root', one, 'q.amazonaws.com', 'SendMessage', { requestParameters: { conversationId: 'f5d2e5c2-9a5a-4c7e-9cab-3b2a7d3e4f5a' }, readOnly: false }),
    at(25, 'root', two, 'q.amazonaws.com', 'SendMessage', { requestParameters: { conversationId: 'a6e3f6d3-ab6b-4d8f-8dbc-4c3b8e4f5a6b' }, readOnly: false }),
    at(24, 'root', '777788889999', 's3.amazonaws.com', 'ListBuckets'),
    // A service that never called for anybody, and a coding agent that was never seen.
    at(23, 'mary_major', one, 'cloudwatch.amazonaws.com', 'GetMetricData', { invokedBy: 'aiops.amazonaws.com' }),
    at(22, 'paulo_santos', two, 's3.amazonaws.com', 'ListObjects', { userAgent: CLAUDE }),
  ];
}

module.exports = { events, CONVERSATION, TRACE };
