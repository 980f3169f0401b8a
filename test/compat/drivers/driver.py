"""librdkafka, through confluent-kafka, behind the driver protocol of test/compat: one JSON request per line in, one JSON answer per line out, in any order."""

import base64
import json
import queue
import sys
import threading
import time

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

# librdkafka finds these out by itself and has numbers of its own for them; the protocol speaks Kafka's.
LOCAL_CODES = {
    KafkaError._UNKNOWN_TOPIC: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._AUTO_OFFSET_RESET: KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._MSG_TIMED_OUT: KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TIMED_OUT: KafkaError.REQUEST_TIMED_OUT,
}
SPECS = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest, "max_timestamp": OffsetSpec.max_timestamp}


def encode(b):
    return None if b is None else base64.b64encode(b).decode()


def decode(s):
    return None if s is None else base64.b64decode(s)


def record(m):
    return {
        "topic": m.topic(),
        "partition": m.partition(),
        "offset": m.offset(),
        "timestamp": m.timestamp()[1],
        "key": encode(m.key()),
        "value": encode(m.value()),
        "headers": [{"key": k, "value": encode(v)} for k, v in (m.headers() or [])],
    }


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient(self.common())
        self.producers = {}
        self.members = {}
        self.lock = threading.Lock()  # guards producers, members and standard output

    def common(self):
        return {"bootstrap.servers": self.bootstrap, "log_level": 3, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100}

    def answer(self, request):
        answer = {}
        try:
            answer = getattr(self, "op_" + request["op"])(request) or {}
        except KafkaException as e:
            error = e.args[0]
            answer = {"code": LOCAL_CODES.get(error.code(), error.code()), "error": str(error)}
        except Exception as e:  # a mistake here must be an answer: the test waits for one
            answer = {"code": -1, "error": repr(e)}
        answer["id"] = request["id"]
        with self.lock:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    def op_create_topic(self, r):
        topic = NewTopic(r["topic"], num_partitions=r["partitions"], replication_factor=1, config=r.get("configs") or {})
        self.admin.create_topics([topic])[r["topic"]].result(20)

    def op_delete_topic(self, r):
        self.admin.delete_topics([r["topic"]])[r["topic"]].result(20)

    def op_partitions(self, r):
        described = self.admin.describe_topics(TopicCollection([r["topic"]]))[r["topic"]].result(20)
        return {"partitions": len(described.partitions)}

    def op_list_offsets(self, r):
        tp = TopicPartition(r["topic"], r.get("partition", 0))
        spec = SPECS[r["spec"]]() if r["spec"] in SPECS else OffsetSpec.for_timestamp(r["timestamp"])
        found = self.admin.list_offsets({tp: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)[tp].result(20)
        return {"offset": found.offset, "timestamp": found.timestamp}

    def op_delete_records(self, r):
        tp = TopicPartition(r["topic"], r.get("partition", 0), r["offset"])
        return {"offset": self.admin.delete_records([tp])[tp].result(20).low_watermark}

    def op_committed(self, r):
        wanted = ConsumerGroupTopicPartitions(r["group"], [TopicPartition(r["topic"], r.get("partition", 0))])
        tp = self.admin.list_consumer_group_offsets([wanted])[r["group"]].result(20).topic_partitions[0]
        if tp.error:
            raise KafkaException(tp.error)
        return {"offset": max(tp.offset, -1), "metadata": tp.metadata or ""}

    def producer(self, r):
        c = r.get("config") or {}
        with self.lock:
            name = json.dumps(c, sort_keys=True)
            if name not in self.producers:
                self.producers[name] = Producer(
                    {
                        **self.common(),
                        "acks": c.get("acks", "all"),
                        "compression.type": c.get("codec", "none"),
                        "enable.idempotence": c.get("idempotent", False),
                        "message.max.bytes": 1_048_500,
                        "linger.ms": c.get("linger_ms", 5),
                        "batch.size": c.get("batch_bytes", 1_000_000),
                        "retry.backoff.ms": 20,
                        "topic.metadata.refresh.interval.ms": 1000,
                    }
                )
            return self.producers[name]

    def op_produce(self, r):
        producer = self.producer(r)
        results = [None] * len(r["records"])
        for i, rec in enumerate(r["records"]):

            def delivered(err, msg, i=i):
                results[i] = (err, msg.offset())

            producer.produce(
                r["topic"],
                partition=r.get("partition", 0),
                key=decode(rec.get("key")),
                value=decode(rec.get("value")),
                headers=[(h["key"], decode(h.get("value"))) for h in rec.get("headers") or []],
                timestamp=rec.get("timestamp") or 0,
                on_delivery=delivered,
            )
        deadline = time.monotonic() + 60
        while None in results and time.monotonic() < deadline:
            producer.poll(0.05)
        for result in results:
            if result is None:
                raise TimeoutError("no delivery report within 60 s")
            if result[0]:
                raise KafkaException(result[0])
        # With acks=0 nobody knows the offset.
        return {"offsets": [-1 if o is None or o < 0 else o for _, o in results]}

    def op_produce_sequence(self, r):
        producer = self.producer(r)
        state = {"acked": 0, "error": None}

        def delivered(err, _msg):
            if err:
                state["error"] = state["error"] or err
            else:
                state["acked"] += 1

        first = r.get("first", 0)
        for i in range(first, first + r["count"]):
            while True:
                try:
                    producer.produce(r["topic"], partition=r.get("partition", 0), value=str(i).encode(), on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush(120)
        if state["error"]:
            raise KafkaException(state["error"])
        return {"acked": state["acked"]}

    def consumer_config(self, r):
        # A consumer needs a group id here even when it joins none.
        return {
            **self.common(),
            "group.id": r.get("group", "no-group"),
            "enable.auto.commit": False,
            "auto.offset.reset": {"none": "error"}.get(r.get("reset", "earliest"), r.get("reset", "earliest")),
            "isolation.level": r.get("isolation", "read_uncommitted"),
            "fetch.wait.max.ms": 200,
            "topic.metadata.refresh.interval.ms": 1000,
        }

    def op_read(self, r):
        consumer = Consumer(self.consumer_config(r))
        try:
            tp = TopicPartition(r["topic"], r.get("partition", 0))
            if r.get("timestamp") is not None:
                tp.offset = r["timestamp"]
                tp.offset = consumer.offsets_for_times([tp], timeout=10)[0].offset
                if tp.offset < 0:
                    tp.offset = OFFSET_END
            elif r.get("offset") is not None:
                tp.offset = r["offset"]
            consumer.assign([tp])
            records = []
            deadline = time.monotonic() + r.get("timeout_ms", 30_000) / 1000
            while len(records) < r["count"] and time.monotonic() < deadline:
                for m in consumer.consume(min(1000, r["count"] - len(records)), timeout=0.1):
                    if m.error():
                        raise KafkaException(m.error())
                    records.append(record(m))
            return {"records": records}
        finally:
            consumer.close()

    def op_join(self, r):
        member = Member(self.consumer_config(r), r)
        with self.lock:
            self.members[r["name"]] = member

    def op_state(self, r):
        return self.members[r["name"]].state()

    def op_commit(self, r):
        self.members[r["name"]].commit(r.get("offsets"))

    def op_leave(self, r):
        with self.lock:
            member = self.members.pop(r["name"])
        member.leave()


class Member:
    """One group member with a thread that polls: only polling lets it follow rebalances."""

    def __init__(self, config, r):
        config["session.timeout.ms"] = r.get("session_timeout_ms") or 10_000
        config["heartbeat.interval.ms"] = 300
        config["partition.assignment.strategy"] = r.get("assignor") or "range"
        self.cooperative = config["partition.assignment.strategy"].startswith("cooperative")
        if r.get("instance"):
            config["group.instance.id"] = r["instance"]
        self.consumer = Consumer(config)
        self.commands = queue.Queue()
        self.lock = threading.Lock()  # guards the fields below
        self.records, self.assignment, self.rebalances, self.failure = [], set(), 0, None
        self.left = False
        self.consumer.subscribe(r["topics"], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def assigned(self, _consumer, added):
        with self.lock:
            self.assignment |= {(tp.topic, tp.partition) for tp in added}
            self.rebalances += 1

    def revoked(self, _consumer, removed):
        with self.lock:
            self.assignment -= {(tp.topic, tp.partition) for tp in removed}

    def run(self):
        try:
            while not self.left:
                for m in self.consumer.consume(1000, timeout=0.05):
                    # A subscribed topic that is not there (yet) is news, not an end.
                    if m.error() and m.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                        continue
                    if m.error():
                        raise KafkaException(m.error())
                    with self.lock:
                        self.records.append(record(m))
                while not self.commands.empty():
                    self.commands.get()()
        except Exception as e:
            self.failure = e
        finally:
            self.consumer.close()

    def state(self):
        if self.failure:
            raise self.failure
        with self.lock:
            return {
                "assignment": [{"topic": t, "partition": p} for t, p in self.assignment],
                "rebalances": self.rebalances,
                "records": list(self.records),
            }

    def commit(self, offsets):
        done = queue.Queue()

        def command():
            try:
                if offsets is None:
                    self.consumer.commit(asynchronous=False)
                else:
                    tps = [TopicPartition(o["topic"], o.get("partition", 0), o["offset"], o.get("metadata") or "") for o in offsets]
                    for tp in self.consumer.commit(offsets=tps, asynchronous=False):
                        if tp.error:
                            raise KafkaException(tp.error)
                done.put(None)
            except Exception as e:
                done.put(e)

        self.commands.put(command)
        error = done.get(timeout=20)
        if error:
            raise error

    def leave(self):
        self.left = True
        self.thread.join()


def main():
    driver = Driver(sys.argv[1])
    for line in sys.stdin:
        threading.Thread(target=driver.answer, args=(json.loads(line),), daemon=True).start()
    for member in list(driver.members.values()):
        member.leave()


main()
