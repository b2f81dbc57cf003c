// Enforces the limits of a verdict with rate limiter bindings, whose numbers are fixed where they are configured.

/** The binding that counts for a limit: REQUESTS_100_PER_60 for 100 `requests` in 60 seconds. */
function bindingOf({ name, max, perSeconds }) {
  return `${name}_${max}_per_${perSeconds}`.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

/** A middleware that counts a request by these limits of its key. It refuses what it cannot count. */
export function limited(...names) {
  return async (c, next) => {
    const { keyId, limits } = c.var.apiKey;
    try {
      // All of them before any is counted: one that is not counted here is no less misconfigured.
      const counters = limits.map((limit) => ({ limit, counter: c.env[bindingOf(limit)] }));
      for (const { limit, counter } of counters) {
        if (typeof counter?.limit !== "function") throw new Error(`there is no binding ${bindingOf(limit)}`);
      }
      for (const { limit, counter } of counters) {
        if (!names.includes(limit.name)) continue;
        const { success } = await counter.limit({ key: `${keyId}:${limit.name}` });
        if (success !== true) return tooMany(c, limit);
      }
    } catch (error) {
      console.error("limits:", keyId, String(error));
      return problem(c, { title: "Service Unavailable", status: 503, detail: "The limits of the API key cannot be checked." }, 1);
    }
    await next();
  };
}

/** The binding does not tell when its period ends: that is at most one period from now. */
function tooMany(c, { name, max, perSeconds }) {
  const detail = `The API key is limited to ${max} ${name} in ${perSeconds} seconds.`;
  return problem(c, { title: "Too Many Requests", status: 429, detail, limit: { name, max, perSeconds } }, perSeconds);
}

/** Problem details (RFC 9457). */
function problem(c, details, retryAfter) {
  const headers = { "Content-Type": "application/problem+json", "Retry-After": String(retryAfter) };
  return c.body(JSON.stringify(details), details.status, headers);
}
