// Submits each line of FILE and prints its outcome: `node submitter.js HOST:PORT FILE`. Needs kafkajs only.
import { readFileSync } from "node:fs";
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

const [brokers, file] = process.argv.slice(2);
const prefix = process.env.CAREER_LEDGER_TOPIC_PREFIX ?? "";
const kafka = new Kafka({ clientId: "submitter", brokers: brokers.split(","), logLevel: logLevel.ERROR });
const lines = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const waiting = new Set(lines.map((one) => `${one.student} ${one.id}`));

// Stand at the end of the outcomes before sending, so that none is missed. A service keeps its own group instead.
const consumer = kafka.consumer({ groupId: `${prefix}submitter-node-${process.pid}` });
await consumer.connect();
await consumer.subscribe({ topic: `${prefix}career.outcomes.v1`, fromBeginning: false });
const done = new Promise((resolve) => consumer.run({
  eachMessage: async ({ message }) => {
    const outcome = JSON.parse(message.value.toString());
    if (waiting.delete(`${message.key} ${outcome.id}`)) console.log(`${message.key} ${JSON.stringify(outcome)}`);
    if (waiting.size === 0) resolve();
  },
}));
await new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));

// The default partitioner of kafkajs 2 is that of the other clients (murmur2): a student's submissions keep their order.
const producer = kafka.producer({ idempotent: true });
await producer.connect();
const messages = lines.map((one) => ({ key: one.student, value: JSON.stringify(one) }));
await producer.send({ topic: `${prefix}career.submissions.v1`, messages, acks: -1, compression: CompressionTypes.GZIP });
await done;
await Promise.all([producer.disconnect(), consumer.disconnect()]);
