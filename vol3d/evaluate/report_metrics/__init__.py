"""Report generation: text overlap, clinical metrics of RadEval, and tumour-level scores."""
