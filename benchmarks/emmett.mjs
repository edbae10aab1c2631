// The peer emmett on the same PostgreSQL: `node emmett.mjs URL STREAMS APPENDS LOG`. Prints one JSON object.
// Each append reads the stream of 50 events, folds it and appends one event on condition of its version, one writer.
import { getPostgreSQLEventStore, readMessagesBatch } from '@event-driven-io/emmett-postgresql';
import { dumbo } from '@event-driven-io/dumbo';

const [url, streams, appends, log] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const store = getPostgreSQLEventStore(url);
const event = (n) => ({
  type: 'exam-graded',
  data: { id: `e-${n}`, student: 'G000001', career: 'G000001-1', course: 'LIN-110', held_on: '2026-06-22', outcome: 'passed', grade: 28,
    cfu: 6, session: 'summer', mode: 'written', academic_year: '2025-26', actor: 'student', source: 'portal',
    effective_on: '2026-06-22', recorded_at: '2026-06-22T10:00:00Z', n },
});
const events = (count) => Array.from({ length: count }, (_, n) => event(n));
const fold = { evolve: (state, { data }) => ({ count: state.count + 1, last: data.held_on }), initialState: () => ({ count: 0 }) };
const clock = () => Number(process.hrtime.bigint()) / 1e9;

for (let s = 0; s < streams; s++) await store.appendToStream(`s-${s}`, events(50));
const seconds = [];
for (let n = 0; n < appends; n++) {
  const began = clock();
  const { currentStreamVersion } = await store.aggregateStream(`s-${n % streams}`, fold);
  await store.appendToStream(`s-${n % streams}`, [event(n)], { expectedStreamVersion: currentStreamVersion });
  seconds.push(clock() - began);
}
seconds.sort((a, b) => a - b);
for (let s = 0; s * 200 < log; s++) await store.appendToStream(`log-${s}`, events(200));
const pool = dumbo({ connectionString: url });
let after = 0n, count = 0;
const began = clock();
for (;;) {
  const page = await readMessagesBatch(pool.execute, { after, batchSize: 1000 });
  if (page.messages.length === 0) break;
  count += page.messages.length;
  after = page.currentGlobalPosition;
}
const read = clock() - began;
await pool.close();
await store.close();
console.log(JSON.stringify({ append: seconds[Math.floor(seconds.length / 2)], read: count / read, events: count }));
