// Keeps who paid what: `node subscriber.js HOST:PORT FILE.json`. Needs kafkajs only (npm install in this folder).
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";

const [brokers, file] = process.argv.slice(2);
const prefix = process.env.CAREER_LEDGER_TOPIC_PREFIX ?? "";
const state = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { epoch: 0, versions: {}, aside: {}, payments: [] };

// After a restore of the ledger everything comes again as the next epoch, but what was lost: begin anew with it.
function counts(epoch) {
  if (state.epoch && epoch > state.epoch) Object.assign(state, { versions: {}, aside: {}, payments: [] });
  state.epoch = Math.max(state.epoch ?? 0, epoch);
  return epoch === state.epoch;
}

// Each version once and in order: what was seen is dropped, what comes too early waits for what is missing.
function take(student, version, event) {
  let seen = state.versions[student] ?? 0;
  if (version > seen + 1) {
    console.error(`gap: version ${version} of ${student} after ${seen}: ask for career-ledger publish --replay ${student}`);
    (state.aside[student] ??= {})[version] = event;
  }
  for (; version === seen + 1 && event; version = seen + 1, event = state.aside[student]?.[version]) {
    if (event.type === "instalment-paid") // your own effect, in the same file
      state.payments.push([student, event.career, event.data.charge, event.data.amount, event.effective_on]);
    state.versions[student] = seen = version;
    delete state.aside[student]?.[version];
  }
}

function save() { // whole or not at all: a crash leaves the old file
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}

const kafka = new Kafka({ clientId: "payments", brokers: brokers.split(","), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: `${prefix}payments-node` });
await consumer.connect();
await consumer.subscribe({ topic: `${prefix}career.events.v1`, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    for (const message of batch.messages)
      if (counts(Number(message.headers.epoch))) take(message.key.toString(), Number(message.headers.version), JSON.parse(message.value.toString()));
    save(); // first the effects, then the offset: what comes again is known by its version
    const next = String(BigInt(batch.lastOffset()) + 1n);
    await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: next }]);
  },
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.disconnect().then(() => process.exit(0)));
