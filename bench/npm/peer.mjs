// A queue of Node that works a backlog of jobs off which do nothing. Each job has a key
// of its own, or all stand in line at a few. It is told what to do by lines, and answers
// each with one: "fill", then "work".
//
//   node peer.mjs graphile|pgboss DATABASE JOBS KEYS
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const [who, connectionString, jobs, keys] = process.argv.slice(2);
const n = Number(jobs);
const pad = "x".repeat(180);
const key = (i) => String(i % Number(keys));

// chunks calls step for every thousand jobs.
async function chunks(step) {
  for (let from = 0; from < n; from += 1000) {
    await step(Array.from({ length: Math.min(1000, n - from) }, (_, i) => from + i));
  }
}

// A named queue runs one job at a time, in order.
async function graphile() {
  const { run, runMigrations, makeWorkerUtils, Logger } = await import("graphile-worker");
  const logger = new Logger(() => () => {});
  await runMigrations({ connectionString, logger });
  const utils = await makeWorkerUtils({ connectionString, logger });
  const left = () => utils.withPgClient((c) => c.query("select count(*)::int as n from graphile_worker._private_jobs"));
  return {
    fill: () =>
      chunks((list) => utils.addJobs(list.map((i) => ({ identifier: "bench", payload: { num: i, pad }, queueName: key(i) })))),
    async work() {
      let ended = 0;
      const runner = await run({
        logger,
        noHandleSignals: true,
        taskList: { bench: async () => {} },
        preset: {
          worker: {
            connectionString,
            concurrentJobs: 100,
            maxPoolSize: 20,
            pollInterval: 20,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      });
      await new Promise((resolve) => runner.events.on("job:success", () => ++ended === n && resolve()));
      while ((await left()).rows[0].n > 0) await sleep(1); // a job is gone when its end is stored
    },
  };
}

// Of the jobs of a key one is active at a time, the oldest. What its fetch returns is
// completed at once, by two loops: without the half second at least that work() waits
// between two fetches.
async function pgboss() {
  const { PgBoss } = await import("pg-boss");
  const boss = new PgBoss({ connectionString, max: 20, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue("bench", { policy: "key_strict_fifo" });
  return {
    fill: () => chunks((list) => boss.insert("bench", list.map((i) => ({ data: { num: i, pad }, singletonKey: key(i) })))),
    async work() {
      let ended = 0;
      const loop = async () => {
        while (ended < n) {
          const got = (await boss.fetch("bench", { batchSize: 1000 })) ?? [];
          if (got.length === 0) {
            await sleep(1);
            continue;
          }
          await boss.complete("bench", got.map((job) => job.id));
          ended += got.length;
        }
      };
      await Promise.all([loop(), loop()]);
    },
  };
}

const peer = await { graphile, pgboss }[who]();
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  await peer[line]();
  console.log("done");
}
