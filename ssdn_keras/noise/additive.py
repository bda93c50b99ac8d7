"""Likelihood and posterior that Gaussian and Poisson noise share: independent noise of a known standard deviation."""

from keras import ops

from ssdn_keras.noise import covariance

# The original program adds this much variance to the prior and to the noise before it inverts them, for more than one
# channel. (Its third addition, to the sum of the inverses, changes the result by less than 1e-6 of the posterior
# variance and is left out.)
POSTERIOR_VARIANCE_OFFSET = 1e-6


def loss_per_pixel(observed, mean, columns, noise_std, regularise):
    """Negative log-likelihood of the noisy value, N×H×W (paper, section 3.2; constant terms left out).

    One channel: (y − μ)²/σy² + log σy², twice the formula for more channels, as in the original program.
    With `regularise`, 0.1 × the mean standard deviation of the noise is subtracted (paper, section 3.3).
    """
    noise_std = ops.broadcast_to(noise_std, ops.shape(mean))
    total, _ = covariance.absorb(columns, covariance.diagonal_columns(noise_std))
    whitened = covariance.solve(total, covariance.to_rows(observed - mean))
    loss = ops.sum(ops.square(whitened), axis=0) + covariance.log_determinant(total)
    if len(columns) > 1:
        loss = 0.5 * loss
    if regularise:
        loss = loss - 0.1 * ops.mean(noise_std, axis=-1)
    return loss


def posterior(observed, mean, columns, noise_std):
    """Everything known about the clean value: a dict of denoised, std (N×H×W×C), network_std, noise_std (N×H×W)."""
    noise_std = ops.broadcast_to(noise_std, ops.shape(mean))
    prior, likelihood = columns, noise_std
    if len(columns) > 1:
        prior = covariance.add_isotropic(columns, POSTERIOR_VARIANCE_OFFSET)
        likelihood = ops.sqrt(ops.square(noise_std) + POSTERIOR_VARIANCE_OFFSET)
    denoised, std = covariance.condition(mean, prior, likelihood, observed)
    return {
        "denoised": denoised,
        "std": std,
        "network_std": covariance.generalised_std(covariance.diagonal(columns)),
        "noise_std": covariance.generalised_std(noise_std),
    }
