import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.*;

/** Apache Kafka's own Java client behind the driver protocol of test/compat: one JSON request per line in, one JSON answer per line out, in any order. */
public class Driver {
    static final ObjectMapper json = new ObjectMapper();
    final String bootstrap;
    final PrintStream out;
    final Admin admin;
    final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    final Map<String, Member> members = new ConcurrentHashMap<>();

    Driver(String bootstrap, PrintStream out) {
        this.bootstrap = bootstrap;
        this.out = out;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Driver driver = new Driver(args[0], out);
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20);
        for (String line; (line = in.readLine()) != null; ) {
            JsonNode request = json.readTree(line);
            pool.execute(() -> driver.answer(request));
        }
        pool.shutdown();
        pool.awaitTermination(5, TimeUnit.SECONDS);
        for (Member m : driver.members.values()) m.leave();
        for (KafkaProducer<byte[], byte[]> p : driver.producers.values()) p.close(Duration.ofSeconds(1));
        driver.admin.close(Duration.ofSeconds(1));
        System.exit(0);
    }

    void answer(JsonNode request) {
        ObjectNode answer = json.createObjectNode();
        try {
            handle(request, answer);
        } catch (Throwable e) {
            Throwable cause = root(e);
            answer.put("code", code(cause)).put("error", cause.toString());
        }
        answer.set("id", request.get("id"));
        synchronized (out) {
            out.println(answer);
            out.flush();
        }
    }

    static Throwable root(Throwable e) {
        while ((e instanceof ExecutionException || e.getClass() == org.apache.kafka.common.KafkaException.class) && e.getCause() != null) e = e.getCause();
        return e;
    }

    static int code(Throwable e) {
        // The consumer has a class of its own for this one, which the table of errors does not know.
        if (e instanceof org.apache.kafka.clients.consumer.OffsetOutOfRangeException) return Errors.OFFSET_OUT_OF_RANGE.code();
        return Errors.forException(e).code();
    }

    void handle(JsonNode r, ObjectNode a) throws Exception {
        switch (r.get("op").asText()) {
            case "create_topic" -> createTopic(r);
            case "delete_topic" -> admin.deleteTopics(List.of(topic(r))).all().get();
            case "partitions" -> a.put("partitions", admin.describeTopics(List.of(topic(r))).allTopicNames().get().get(topic(r)).partitions().size());
            case "list_offsets" -> listOffsets(r, a);
            case "delete_records" -> a.put("offset", admin.deleteRecords(Map.of(partition(r), RecordsToDelete.beforeOffset(r.get("offset").asLong()))).lowWatermarks().get(partition(r)).get().lowWatermark());
            case "committed" -> committed(r, a);
            case "produce" -> produce(r, a);
            case "produce_sequence" -> produceSequence(r, a);
            case "read" -> read(r, a);
            case "join" -> members.put(r.get("name").asText(), new Member(r));
            case "state" -> members.get(r.get("name").asText()).state(a);
            case "commit" -> members.get(r.get("name").asText()).commit(r);
            case "leave" -> members.remove(r.get("name").asText()).leave();
            default -> throw new IllegalArgumentException("unknown op " + r.get("op"));
        }
    }

    static String topic(JsonNode r) {
        return r.get("topic").asText();
    }

    static TopicPartition partition(JsonNode r) {
        return new TopicPartition(topic(r), r.path("partition").asInt());
    }

    void createTopic(JsonNode r) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (Map.Entry<String, JsonNode> e : r.path("configs").properties()) configs.put(e.getKey(), e.getValue().asText());
        NewTopic topic = new NewTopic(topic(r), r.get("partitions").asInt(), (short) 1).configs(configs);
        admin.createTopics(List.of(topic)).all().get();
    }

    void listOffsets(JsonNode r, ObjectNode a) throws Exception {
        OffsetSpec spec = switch (r.get("spec").asText()) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "max_timestamp" -> OffsetSpec.maxTimestamp();
            default -> OffsetSpec.forTimestamp(r.get("timestamp").asLong());
        };
        ListOffsetsResult.ListOffsetsResultInfo info = admin.listOffsets(Map.of(partition(r), spec)).partitionResult(partition(r)).get();
        a.put("offset", info.offset()).put("timestamp", info.timestamp());
    }

    void committed(JsonNode r, ObjectNode a) throws Exception {
        OffsetAndMetadata o = admin.listConsumerGroupOffsets(r.get("group").asText()).partitionsToOffsetAndMetadata().get().get(partition(r));
        a.put("offset", o == null ? -1 : o.offset()).put("metadata", o == null ? "" : o.metadata());
    }

    KafkaProducer<byte[], byte[]> producer(JsonNode r) {
        JsonNode c = r.path("config");
        return producers.computeIfAbsent(c.toString(), k -> {
            Map<String, Object> p = new HashMap<>();
            p.put("bootstrap.servers", bootstrap);
            p.put("acks", c.path("acks").asText("all"));
            p.put("compression.type", c.path("codec").asText("none"));
            p.put("enable.idempotence", c.path("idempotent").asBoolean());
            p.put("max.request.size", 8 << 20);
            p.put("linger.ms", c.path("linger_ms").asInt(5));
            p.put("batch.size", c.path("batch_bytes").asInt(16384));
            p.put("retry.backoff.ms", 20);
            p.put("reconnect.backoff.ms", 10);
            p.put("reconnect.backoff.max.ms", 100);
            return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
        });
    }

    void produce(JsonNode r, ObjectNode a) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producer(r);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode n : r.get("records")) {
            Long timestamp = n.path("timestamp").asLong() == 0 ? null : n.get("timestamp").asLong();
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic(r), r.path("partition").asInt(), timestamp, bytes(n.get("key")), bytes(n.get("value")));
            for (JsonNode h : n.path("headers")) record.headers().add(h.get("key").asText(), bytes(h.get("value")));
            sent.add(producer.send(record));
        }
        producer.flush();
        ArrayNode offsets = a.putArray("offsets");
        for (Future<RecordMetadata> f : sent) offsets.add(f.get().offset());
    }

    void produceSequence(JsonNode r, ObjectNode a) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producer(r);
        Deque<Future<RecordMetadata>> sent = new ArrayDeque<>();
        int first = r.path("first").asInt(), count = r.get("count").asInt();
        for (int i = first; i < first + count; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic(r), r.path("partition").asInt(), null, Integer.toString(i).getBytes(StandardCharsets.UTF_8))));
        }
        producer.flush();
        long acked = 0;
        for (Future<RecordMetadata> f : sent) {
            f.get();
            acked++;
        }
        a.put("acked", acked);
    }

    static byte[] bytes(JsonNode n) throws java.io.IOException {
        return n == null || n.isNull() ? null : n.binaryValue();
    }

    static void add(ArrayNode to, ConsumerRecord<byte[], byte[]> rec) {
        ObjectNode n = to.addObject().put("topic", rec.topic()).put("partition", rec.partition()).put("offset", rec.offset()).put("timestamp", rec.timestamp()).put("key", rec.key()).put("value", rec.value());
        ArrayNode headers = n.putArray("headers");
        for (Header h : rec.headers()) headers.addObject().put("key", h.key()).put("value", h.value());
    }

    Map<String, Object> consumerConfig(JsonNode r) {
        Map<String, Object> p = new HashMap<>();
        p.put("bootstrap.servers", bootstrap);
        p.put("enable.auto.commit", false);
        p.put("auto.offset.reset", r.path("reset").asText("earliest"));
        p.put("isolation.level", r.path("isolation").asText("read_uncommitted"));
        p.put("fetch.max.wait.ms", 200);
        return p;
    }

    void read(JsonNode r, ObjectNode a) {
        TopicPartition tp = partition(r);
        int count = r.get("count").asInt();
        long deadline = System.nanoTime() + r.path("timeout_ms").asLong(30_000) * 1_000_000;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(consumerConfig(r), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(tp));
            if (r.hasNonNull("timestamp")) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(tp, r.get("timestamp").asLong())).get(tp);
                if (found == null) consumer.seekToEnd(List.of(tp));
                else consumer.seek(tp, found.offset());
            } else if (r.hasNonNull("offset")) {
                consumer.seek(tp, r.get("offset").asLong());
            }
            ArrayNode records = a.putArray("records");
            while (records.size() < count && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> rec : consumer.poll(Duration.ofMillis(100))) if (records.size() < count) add(records, rec);
            }
        }
    }

    /** One group member with its own thread: the consumer is not safe for several, and only polling lets it follow rebalances. */
    class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final BlockingQueue<Runnable> commands = new LinkedBlockingQueue<>();
        final Thread thread;
        final ArrayNode records = json.createArrayNode(); // guarded by this
        Set<TopicPartition> assignment = new HashSet<>(); // guarded by this
        int rebalances; // guarded by this
        volatile boolean left;
        volatile Throwable failure;

        Member(JsonNode r) {
            Map<String, Object> p = consumerConfig(r);
            p.put("group.id", r.get("group").asText());
            p.put("session.timeout.ms", r.path("session_timeout_ms").asInt(10_000));
            p.put("heartbeat.interval.ms", 300);
            p.put("metadata.max.age.ms", 1000);
            p.put("partition.assignment.strategy", r.path("assignor").asText().equals("cooperative-sticky") ? CooperativeStickyAssignor.class.getName() : RangeAssignor.class.getName());
            if (r.hasNonNull("instance")) p.put("group.instance.id", r.get("instance").asText());
            consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            List<String> topics = new ArrayList<>();
            r.get("topics").forEach(t -> topics.add(t.asText()));
            consumer.subscribe(topics, this);
            thread = new Thread(this::run);
            thread.start();
        }

        void run() {
            try {
                while (!left) {
                    for (ConsumerRecord<byte[], byte[]> rec : consumer.poll(Duration.ofMillis(50))) {
                        synchronized (this) {
                            add(records, rec);
                        }
                    }
                    for (Runnable c; (c = commands.poll()) != null; ) c.run();
                }
            } catch (Throwable e) {
                failure = e;
            } finally {
                consumer.close(CloseOptions.timeout(Duration.ofSeconds(5)));
            }
        }

        public synchronized void onPartitionsAssigned(Collection<TopicPartition> added) {
            assignment.addAll(added);
            rebalances++;
        }

        public synchronized void onPartitionsRevoked(Collection<TopicPartition> removed) {
            assignment.removeAll(removed);
        }

        void state(ObjectNode a) throws ExecutionException {
            if (failure != null) throw new ExecutionException(failure);
            synchronized (this) {
                ArrayNode list = a.putArray("assignment");
                for (TopicPartition tp : assignment) list.addObject().put("topic", tp.topic()).put("partition", tp.partition());
                a.put("rebalances", rebalances);
                a.set("records", records.deepCopy());
            }
        }

        void commit(JsonNode r) throws Exception {
            CompletableFuture<Void> done = new CompletableFuture<>();
            commands.add(() -> {
                try {
                    if (!r.hasNonNull("offsets")) consumer.commitSync();
                    else {
                        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                        for (JsonNode o : r.get("offsets")) offsets.put(partition(o), new OffsetAndMetadata(o.get("offset").asLong(), o.path("metadata").asText("")));
                        consumer.commitSync(offsets);
                    }
                    done.complete(null);
                } catch (Throwable e) {
                    done.completeExceptionally(e);
                }
            });
            done.get(20, TimeUnit.SECONDS);
        }

        void leave() throws InterruptedException {
            left = true;
            thread.join();
        }
    }
}
