"""How good a denoiser is: metrics, the published protocol, reports."""
