"""Writes a copy of a bucket with log files and signed digests, as CloudTrail documents them.

Usage: digests.py FOLDER. FOLDER/bucket is the copy, FOLDER/keys.json the answer of `aws cloudtrail list-public-keys`.
It shares nothing with qtrail: Python's standard library hashes, and the openssl command signs. It prints, as JSON,
what a verification must find.

The trail: two regions, over midnight and the end of a month, with a new key in the middle; it is stopped and started
once; a late log file is in a backfill digest; the newest log files are in no digest yet.
"""

import base64
import datetime
import gzip
import hashlib
import json
import pathlib
import random
import subprocess
import sys

ACCOUNT = "111122223333"
ORGANIZATION = "o-abcde12345"
BUCKET = "example-trail"
PREFIX = f"logs/AWSLogs/{ORGANIZATION}/{ACCOUNT}"
TRAIL = "my_trail-1"
HOME = "eu-west-1"
HOUR = datetime.timedelta(hours=1)
FIRST = datetime.datetime(2026, 10, 31, 20, 1, 31, tzinfo=datetime.timezone.utc)


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


class Key:
    def __init__(self, path, first, last):
        self.path = path
        path.write_bytes(openssl("genrsa", "2048"))
        self.der = openssl("rsa", "-in", str(path), "-RSAPublicKey_out", "-outform", "DER")
        self.fingerprint = hashlib.md5(self.der).hexdigest()
        self.first, self.last = first, last

    def sign(self, content):
        return openssl("dgst", "-sha256", "-sign", str(self.path), stdin=content).hex()

    def listed(self):
        return {
            "Value": base64.b64encode(self.der).decode(),
            "ValidityStartTime": text(self.first),
            "ValidityEndTime": text(self.last),
            "Fingerprint": self.fingerprint,
        }


class Copy:
    def __init__(self, folder):
        self.folder = folder
        self.random = random.Random(7)
        self.log_files = 0
        self.digests = 0

    def write(self, key, content):
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def log_file(self, region, time):
        name = "".join(self.random.choices("ABCDEFGHabcdefgh0123456789", k=16))
        day, minute = time.strftime("%Y/%m/%d"), time.strftime("%Y%m%dT%H%MZ")
        key = f"{PREFIX}/CloudTrail/{region}/{day}/{ACCOUNT}_CloudTrail_{region}_{minute}_{name}.json.gz"
        event = {
            "eventVersion": "1.11",
            "eventName": "SendMessage",
            "eventSource": "q.amazonaws.com",
            "eventTime": text(time),
        }
        numbers = range(self.random.randint(1, 20))
        content = json.dumps({"Records": [event | {"eventID": f"{name}-{n}"} for n in numbers]}).encode()
        self.write(key, gzip.compress(content))
        self.log_files += 1
        return {
            "s3Bucket": BUCKET,
            "s3Object": key,
            "hashValue": hashlib.sha256(content).hexdigest(),
            "hashAlgorithm": "SHA-256",
            "newestEventTime": text(time),
            "oldestEventTime": text(time),
        }

    def digest(self, region, start, end, files, key, before, backfill=False):
        """Writes a digest; `before` is the one before it. Returns what the next one says about it."""
        day, suffix = end.strftime("%Y/%m/%d"), "_backfill" if backfill else ""
        stamp = end.strftime("%Y%m%dT%H%M%SZ")
        name = f"{ACCOUNT}_CloudTrail-Digest_{region}_{TRAIL}_{HOME}_{stamp}{suffix}.json.gz"
        object_key = f"{PREFIX}/CloudTrail-Digest/{region}/{day}/{name}"
        content = json.dumps({
            "awsAccountId": ACCOUNT,
            "digestStartTime": text(start),
            "digestEndTime": text(end),
            "digestS3Bucket": BUCKET,
            "digestS3Object": object_key,
            "digestPublicKeyFingerprint": key.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": files[-1]["newestEventTime"] if files else None,
            "oldestEventTime": files[0]["oldestEventTime"] if files else None,
            "previousDigestS3Bucket": before and BUCKET,
            "previousDigestS3Object": before and before["object"],
            "previousDigestHashValue": before and before["hash"],
            "previousDigestHashAlgorithm": before and "SHA-256",
            "previousDigestSignature": before and before["signature"],
            "logFiles": files,
        }).encode()
        hashed = hashlib.sha256(content).hexdigest()
        previous = before["signature"] if before else "null"
        signed = f"{text(end)}\n{BUCKET}/{object_key}\n{hashed}\n{previous}"
        signature = key.sign(signed.encode())
        self.write(object_key, gzip.compress(content))
        self.digests += 1
        return {"object": object_key, "hash": hashed, "signature": signature}

    def head(self, digest):
        """The answer of `aws s3api head-object`."""
        metadata = {"signature": digest["signature"], "signature-algorithm": "SHA256withRSA"}
        self.write(digest["object"] + ".head.json", json.dumps({"ContentLength": 1, "Metadata": metadata}).encode())


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    change = FIRST + 6 * HOUR
    old = Key(folder / "old.pem", FIRST - 24 * HOUR, change)
    new = Key(folder / "new.pem", change, change + 1000 * HOUR)
    copy = Copy(folder / "bucket")
    not_yet = 0
    for region in ("us-east-1", "ap-southeast-2"):
        before = None
        for hour in range(16):
            # The trail is stopped for two hours, in one region for three.
            if hour in (9, 10) or (region == "us-east-1" and hour == 11):
                if before:
                    copy.head(before)
                before = None
                continue
            start = FIRST + hour * HOUR
            minutes = sorted(copy.random.randrange(2, 60, 5) for _ in range(copy.random.randrange(4)))
            files = [copy.log_file(region, start + datetime.timedelta(minutes=m)) for m in minutes]
            key = new if start + HOUR > change else old
            before = copy.digest(region, start, start + HOUR, files, key, before)
            if hour == 5 and region == "us-east-1":
                late = [copy.log_file(region, start + datetime.timedelta(minutes=7))]
                copy.head(copy.digest(region, start, start + HOUR, late, new, None, backfill=True))
        copy.head(before)
        end = FIRST + 16 * HOUR
        for minutes in (3, 40):
            copy.log_file(region, end + datetime.timedelta(minutes=minutes))
            not_yet += 1
    answer = {"PublicKeyList": [old.listed(), new.listed()]}
    (folder / "keys.json").write_text(json.dumps(answer))
    print(json.dumps({
        "digests": copy.digests,
        "log_files": copy.log_files - not_yet,
        "not_yet": not_yet,
        "findings": {"trail_started": 2, "backfilled_digest": 1},
        "first": text(FIRST),
        "end": text(FIRST + 16 * HOUR),
    }))


main()
