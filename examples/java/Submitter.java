import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Submits each line of FILE and prints its outcome: `java -cp 'LIB/*' Submitter.java HOST:PORT FILE`. */
public class Submitter {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper json = new ObjectMapper();
        String prefix = System.getenv().getOrDefault("CAREER_LEDGER_TOPIC_PREFIX", "");
        String submissions = prefix + "career.submissions.v1", outcomes = prefix + "career.outcomes.v1";
        Map<String, Object> reading = Map.of("bootstrap.servers", arguments[0], "enable.auto.commit", false);
        Map<String, Object> writing = Map.of("bootstrap.servers", arguments[0], "acks", "all", "enable.idempotence", true);
        try (var consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer());
             var producer = new KafkaProducer<>(writing, new StringSerializer(), new StringSerializer())) {
            // Stand at the end of the outcomes before sending, so that none is missed. A service stores its positions instead.
            consumer.assign(consumer.partitionsFor(outcomes).stream()
                .map(part -> new TopicPartition(outcomes, part.partition())).collect(Collectors.toList()));
            consumer.seekToEnd(consumer.assignment());
            for (TopicPartition part : consumer.assignment()) consumer.position(part);

            Set<String> waiting = new HashSet<>();
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line : Files.readAllLines(Path.of(arguments[1]))) {
                if (line.isBlank()) continue;
                JsonNode one = json.readTree(line);
                waiting.add(one.get("student").asText() + " " + one.get("id").asText());
                sent.add(producer.send(new ProducerRecord<>(submissions, one.get("student").asText(), line)));
            }
            for (Future<RecordMetadata> one : sent) one.get(); // look at each
            while (!waiting.isEmpty())
                for (var record : consumer.poll(Duration.ofMillis(500)))
                    if (waiting.remove(record.key() + " " + json.readTree(record.value()).path("id").asText()))
                        System.out.println(record.key() + " " + record.value());
        }
    }
}
