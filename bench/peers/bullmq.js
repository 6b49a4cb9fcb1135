// bullmq.js: BullMQ on the same Redis, as bench/queue asks for it.
//
//     node bullmq.js SOCKET JOBS CONCURRENCY WARM
//
// JOBS that do nothing are put in by addBulk while the queue is paused; then, at a line on standard
// input, the queue is resumed and run to the end by an in-process processor, CONCURRENCY at a time.
// WARM jobs go through the same worker before. Prints "ready", then one line of JSON.
const { Queue, Worker } = require("bullmq");
const IORedis = require("ioredis");
const readline = require("readline");

const [socket, jobs, concurrency, warm] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const connect = () => new IORedis({ path: socket, maxRetriesPerRequest: null });

async function put(queue, count) {
  for (let at = 0; at < count; at += 1000) {
    const size = Math.min(1000, count - at);
    await queue.addBulk(Array.from({ length: size }, () => ({ name: "empty", data: {} })));
  }
}

// Resolves when so many more jobs are completed.
function completed(worker, count) {
  return new Promise((resolve, reject) => {
    let seen = 0;
    const one = () => {
      if (++seen === count) {
        worker.off("completed", one);
        resolve();
      }
    };
    worker.on("completed", one);
    worker.once("failed", (job, error) => reject(error));
    worker.once("error", reject);
  });
}

async function main() {
  const queue = new Queue("bench", { connection: connect() });
  const worker = new Worker("bench", async () => {}, { connection: connect(), concurrency });
  await worker.waitUntilReady();
  if (warm > 0) {
    const warmed = completed(worker, warm);
    await put(queue, warm);
    await warmed;
  }
  await queue.pause();
  await put(queue, jobs);
  const input = readline.createInterface({ input: process.stdin });
  const go = new Promise((resolve) => input.once("line", resolve));
  console.log("ready");
  await go;
  const done = completed(worker, jobs);
  const cpu = process.cpuUsage();
  const begun = process.hrtime.bigint();
  await queue.resume();
  await done;
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const used = process.cpuUsage(cpu);
  const counts = await queue.getJobCounts();
  console.log(JSON.stringify({ seconds, cpu_us: used.user + used.system, counts }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
