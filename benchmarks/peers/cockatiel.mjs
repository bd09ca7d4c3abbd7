// What cockatiel's policies cost a call that succeeds, beside `five_policies` of ./dev bench:
//
//   cd benchmarks/peers && npm ci && node cockatiel.mjs
//
// The median of runs of 100000 calls each. A call is an `await` of an async function, which alone
// costs something as well, and stands in the first line.
import {
  bulkhead, circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleAll, retry, timeout,
  TimeoutStrategy, wrap,
} from 'cockatiel';

const CALLS = 100_000;
const RUNS = 15;

const empty = async () => undefined;

async function run(call) {
  const started = process.hrtime.bigint();
  for (let i = 0; i < CALLS; ++i) await call();
  return Number(process.hrtime.bigint() - started) / CALLS;
}

async function median(call) {
  await run(call);  // for the compiler
  const times = [];
  for (let i = 0; i < RUNS; ++i) times.push(await run(call));
  return times.sort((a, b) => a - b)[RUNS >> 1];
}

const policies = {
  retry: retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
  circuitBreaker: circuitBreaker(handleAll, { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(5) }),
  timeout: timeout(500, TimeoutStrategy.Cooperative),
  bulkhead: bulkhead(25, 100),
};

const report = (name, ns) => console.log(`${name.padEnd(18)} ${ns.toFixed(0).padStart(6)} ns`);
report('no policies', await median(empty));
for (const [name, policy] of Object.entries(policies)) {
  report(name, await median(() => policy.execute(empty)));
}
const all = wrap(policies.retry, policies.circuitBreaker, policies.timeout, policies.bulkhead);
report('all four', await median(() => all.execute(empty)));
