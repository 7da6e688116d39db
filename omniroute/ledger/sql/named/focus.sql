-- Cost in the columns of FOCUS 1.2, the FinOps format: a row for each UTC day, key, provider and model.
-- What nobody knows the price of counts as 0, which FOCUS wants; x_UnpricedRequests tells how many.
SELECT
  coalesce(sum(cost_usd), 0) AS "BilledCost",
  'omniroute' AS "BillingAccountId",
  'OmniRoute' AS "BillingAccountName",
  'USD' AS "BillingCurrency",
  strftime(date_trunc('month', day) + INTERVAL 1 MONTH, '%Y-%m-%dT%H:%M:%SZ') AS "BillingPeriodEnd",
  strftime(date_trunc('month', day), '%Y-%m-%dT%H:%M:%SZ') AS "BillingPeriodStart",
  'Usage' AS "ChargeCategory",
  NULL AS "ChargeClass",
  concat('Requests to ', provider, '/', model) AS "ChargeDescription",
  'Usage-Based' AS "ChargeFrequency",
  strftime(day + INTERVAL 1 DAY, '%Y-%m-%dT%H:%M:%SZ') AS "ChargePeriodEnd",
  strftime(day, '%Y-%m-%dT%H:%M:%SZ') AS "ChargePeriodStart",
  coalesce(CAST(sum(input_tokens + output_tokens) AS BIGINT), 0) AS "ConsumedQuantity",
  'Tokens' AS "ConsumedUnit",
  "BilledCost" AS "ContractedCost",
  "BilledCost" AS "EffectiveCost",
  provider AS "InvoiceIssuerName",
  "BilledCost" AS "ListCost",
  "ConsumedQuantity" AS "PricingQuantity",
  'Tokens' AS "PricingUnit",
  provider AS "ProviderName",
  provider AS "PublisherName",
  'AI and Machine Learning' AS "ServiceCategory",
  model AS "ServiceName",
  'Generative AI' AS "ServiceSubcategory",
  key AS "SubAccountId",
  key AS "SubAccountName",
  to_json(tags) AS "Tags",
  count(*) AS "x_Requests",
  count(*) FILTER (status < 400 AND cost_usd IS NULL) AS "x_UnpricedRequests"
FROM (SELECT *, CAST(time AS DATE) AS day FROM requests)
WHERE time >= $since AND provider IS NOT NULL
GROUP BY day, key, tags, provider, model
ORDER BY day, "BilledCost" DESC, key, provider, model;
