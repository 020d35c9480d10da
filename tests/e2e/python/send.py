"""Hands CloudTrail events to qtrail over one stream, and reads an answer for each.

    python send.py 127.0.0.1:4319 events.ndjson     # an event a line; `-`: standard input

An event is safe once its request is answered with `delivered`. A `failure` with a retry delay, and silence
because the connection broke, mean: send it again.

The client is made of the service's description, with grpcio-tools:

    python -m grpc_tools.protoc --proto_path=proto --python_out=. --grpc_python_out=. proto/qtrail/v1/ingest.proto
"""

import collections
import sys
import time

import grpc
from qtrail.v1 import ingest_pb2 as messages
from qtrail.v1 import ingest_pb2_grpc as services

RETRY_SECONDS = 1.0  # at least


def send(service, waiting, counts):
    """Sends what waits, and takes away what was delivered. Returns after how long to send the rest."""
    requests = (
        messages.IngestStreamRequest(sequence=sequence, events=event)
        for sequence, event in list(waiting.items())
    )
    delay = RETRY_SECONDS
    # The requests leave on a thread of their own, as fast as the server reads them.
    for answer in service.IngestStream(requests):
        if answer.HasField("delivered"):
            del waiting[answer.sequence]
            counts["acknowledged"] += 1
            for field, count in answer.delivered.counts.ListFields():
                counts[field.name] += count
            for rejection in answer.delivered.rejections:
                print(f"request {answer.sequence}: {rejection.reason}", file=sys.stderr)
        elif answer.failure.HasField("retry_delay"):
            delay = max(delay, answer.failure.retry_delay.ToTimedelta().total_seconds())
        else:
            sys.exit(f"request {answer.sequence}: {answer.failure.message}")
    return delay


def main(address, path):
    with sys.stdin.buffer if path == "-" else open(path, "rb") as lines:
        events = [line for line in lines if line.strip()]
    waiting = dict(enumerate(events))  # until they are acknowledged
    counts = collections.Counter(sent=len(events))
    with grpc.insecure_channel(address) as channel:
        service = services.IngestServiceStub(channel)
        while waiting:
            try:
                delay = send(service, waiting, counts)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                delay = RETRY_SECONDS
            if waiting:
                print(f"{len(waiting)} to send again", file=sys.stderr)
                time.sleep(delay)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
