-- How near each budget is to its limit in its current period, by what the rows say was spent.
WITH budgets(budget, period, since, limit_usd, key, tag, value, provider, model) AS (
  VALUES $budgets
),
spent AS (
  SELECT
    budget,
    sum(cost_usd) AS usd,
    max(time) AS last_time
  FROM budgets b, requests r
  WHERE r.time >= b.since AND r.cost_usd > 0
    AND (b.key IS NULL OR r.key = b.key)
    AND (b.tag IS NULL OR r.tags[b.tag] = b.value)
    AND (b.provider IS NULL OR r.provider = b.provider)
    AND (
      b.model IS NULL
      OR r.model GLOB b.model
      OR concat(r.provider, '/', r.model) GLOB b.model
    )
  GROUP BY budget
)
SELECT
  budget,
  period,
  since,
  limit_usd,
  coalesce(usd, 0) AS spent_usd,
  greatest(limit_usd - coalesce(usd, 0), 0) AS left_usd,
  round(100 * coalesce(usd, 0) / nullif(limit_usd, 0), 1) AS percent,
  last_time
FROM budgets LEFT JOIN spent USING (budget)
ORDER BY percent DESC NULLS LAST, budget;
