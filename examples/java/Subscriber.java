import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Keeps who paid what: `java -cp 'LIB/*' Subscriber.java HOST:PORT FILE.json`. LIB holds kafka-clients and jackson-databind. */
public class Subscriber {
    static final ObjectMapper JSON = new ObjectMapper();
    static ObjectNode state;

    /** After a restore of the ledger everything comes again as the next epoch, but what was lost: begin anew with it. */
    static boolean counts(int epoch) {
        if (epoch > state.path("epoch").asInt(epoch)) state.remove(List.of("versions", "aside", "payments"));
        state.put("epoch", Math.max(epoch, state.path("epoch").asInt(epoch)));
        return epoch == state.path("epoch").asInt();
    }

    static int number(ConsumerRecord<String, String> one, String header) {
        return Integer.parseInt(new String(one.headers().lastHeader(header).value(), StandardCharsets.UTF_8));
    }

    /** Each version once and in order: what was seen is dropped, what comes too early waits for what is missing. */
    static void take(String student, int version, JsonNode event) {
        ObjectNode versions = state.withObject("/versions"), aside = state.withObject("/aside").withObject("/" + student);
        int seen = versions.path(student).asInt(0);
        if (version > seen + 1) {
            System.err.printf("gap: version %d of %s after %d: ask for career-ledger publish --replay %s%n", version, student, seen, student);
            aside.set(String.valueOf(version), event);
        }
        for (; version == seen + 1 && event != null; version = seen + 1, event = aside.remove(String.valueOf(version))) {
            if (event.get("type").asText().equals("instalment-paid")) { // your own effect, in the same file
                JsonNode data = event.get("data");
                state.withArray("/payments").addArray().add(student).add(event.get("career").asText()).add(data.get("charge").asText())
                    .add(data.get("amount").asText()).add(event.get("effective_on").asText());
            }
            seen = version;
            versions.put(student, seen);
        }
    }

    /** Effects and positions together, whole or not at all: a crash leaves the old file. */
    static void save(Path file) throws Exception {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.writeString(next, state.toString());
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[1]);
        state = Files.exists(file) ? (ObjectNode) JSON.readTree(Files.readString(file)) : JSON.createObjectNode();
        String topic = System.getenv().getOrDefault("CAREER_LEDGER_TOPIC_PREFIX", "") + "career.events.v1";
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0], "enable.auto.commit", false, "auto.offset.reset", "none");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> parts = consumer.partitionsFor(topic).stream()
                .map(part -> new TopicPartition(topic, part.partition())).collect(Collectors.toList());
            if (parts.isEmpty()) throw new IllegalStateException("there is no topic " + topic + ": run career-ledger publish");
            consumer.assign(parts);
            consumer.seekToBeginning(parts);
            for (TopicPartition part : parts) {
                JsonNode next = state.path("positions").path(String.valueOf(part.partition()));
                if (!next.isMissingNode()) consumer.seek(part, next.asLong());
            }
            while (true) {
                var records = consumer.poll(Duration.ofMillis(500));
                for (ConsumerRecord<String, String> one : records) {
                    if (counts(number(one, "epoch"))) take(one.key(), number(one, "version"), JSON.readTree(one.value()));
                    state.withObject("/positions").put(String.valueOf(one.partition()), one.offset() + 1);
                }
                if (!records.isEmpty()) save(file);
            }
        }
    }
}
