namespace Octavo.Server.Metrics;

/// <summary>
/// What vLLM calls what the engine measures, so that dashboards made for vLLM work unchanged. Counters stand without
/// the <c>_total</c> that Prometheus' text format adds. Instruments that vLLM does not have go by their own names.
/// </summary>
internal static class VllmNames
{
    /// <summary>Instrument → vLLM's metric.</summary>
    public static IReadOnlyDictionary<string, string> Table { get; } = new Dictionary<string, string>(
        StringComparer.Ordinal)
    {
        ["octavo.requests.running"] = "vllm:num_requests_running",
        ["octavo.requests.waiting"] = "vllm:num_requests_waiting",
        ["octavo.requests.waiting_by_reason"] = "vllm:num_requests_waiting_by_reason",
        ["octavo.kv_cache.usage"] = "vllm:kv_cache_usage_perc",
        ["octavo.kv_cache.info"] = "vllm:cache_config_info",
        ["octavo.prompt.tokens"] = "vllm:prompt_tokens",
        ["octavo.prompt.cached_tokens"] = "vllm:prompt_tokens_cached",
        ["octavo.prompt.tokens_by_source"] = "vllm:prompt_tokens_by_source",
        ["octavo.output.tokens"] = "vllm:generation_tokens",
        ["octavo.preemptions"] = "vllm:num_preemptions",
        ["octavo.prefix_cache.queries"] = "vllm:prefix_cache_queries",
        ["octavo.prefix_cache.hits"] = "vllm:prefix_cache_hits",
        ["octavo.requests.finished"] = "vllm:request_success",
        ["octavo.step.tokens"] = "vllm:iteration_tokens_total",
        ["octavo.request.time_to_first_token"] = "vllm:time_to_first_token_seconds",
        ["octavo.request.inter_token_latency"] = "vllm:inter_token_latency_seconds",
        ["octavo.request.time_per_output_token"] = "vllm:request_time_per_output_token_seconds",
        ["octavo.request.duration"] = "vllm:e2e_request_latency_seconds",
        ["octavo.request.queue_time"] = "vllm:request_queue_time_seconds",
        ["octavo.request.inference_time"] = "vllm:request_inference_time_seconds",
        ["octavo.request.prefill_time"] = "vllm:request_prefill_time_seconds",
        ["octavo.request.decode_time"] = "vllm:request_decode_time_seconds",
        ["octavo.request.prompt_tokens"] = "vllm:request_prompt_tokens",
        ["octavo.request.output_tokens"] = "vllm:request_generation_tokens",
        ["octavo.request.longest_output_tokens"] = "vllm:request_max_num_generation_tokens",
        ["octavo.request.computed_prompt_tokens"] = "vllm:request_prefill_kv_computed_tokens",
        ["octavo.request.max_tokens"] = "vllm:request_params_max_tokens",
        ["octavo.request.n"] = "vllm:request_params_n",
        ["octavo.request.preemptions"] = "vllm:request_num_preemptions",

        // Those of the middleware that vLLM uses: prometheus-fastapi-instrumentator.
        ["octavo.http.requests"] = "http_requests",
        ["octavo.http.request.duration"] = "http_request_duration_seconds",
    };
}
