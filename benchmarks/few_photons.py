"""What the posterior loses by taking the noise's variance at the prior's mean, from few photons to many.

One channel, a prior N(μ, V) of the clean value x that is right, and a count of photons k ~ Poisson(λ x), y = k/λ. Three
estimates of x are held against the best possible one, its posterior mean under the true Poisson probability: with the
variance at the prior's mean, as the published likelihood has it; with the variance averaged over the first result's
belief by Gauss–Hermite quadrature with 15 nodes; and the exact posterior mean under Gaussian noise of variance
x/λ. The excess of their mean square errors over the best one's is given in dB.

    python benchmarks/few_photons.py
"""

import numpy as np
from scipy.special import gammaln
from scipy.stats import norm

SAMPLES = 2000
SMALLEST_MEAN = 1e-3
# Values of x at which posteriors are integrated.
X = np.linspace(0.0, 2.0, 4001)[1:]


def plugged_in(y, mean, variance, photons):
    """Posterior mean and variance with noise of the variance at `mean`."""
    noise = np.maximum(mean, SMALLEST_MEAN) / photons
    gain = variance / (variance + noise)
    return mean + gain * (y - mean), variance * (1 - gain)


def quadrature(y, mean, variance, photons, order=15):
    """The same by Gauss–Hermite quadrature of the likelihood around the first result."""
    first, spread = plugged_in(y, mean, variance, photons)
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    x = first[:, None] + np.sqrt(spread)[:, None] * nodes
    bright, x = x > SMALLEST_MEAN, np.maximum(x, SMALLEST_MEAN)  # nothing is darker than black
    importance = (
        weights
        * bright
        * norm.pdf(y[:, None], x, np.sqrt(x / photons))
        * norm.pdf(x, mean[:, None], np.sqrt(variance)[:, None])
        / norm.pdf(x, first[:, None], np.sqrt(spread)[:, None])
    )
    return (importance * x).sum(axis=1) / importance.sum(axis=1)


def integrated(log_likelihood, mean, variance):
    """Posterior mean by integration over X; `log_likelihood` is samples × X."""
    log = log_likelihood - 0.5 * (X - mean[:, None]) ** 2 / variance[:, None]
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return (weight * X).sum(axis=1) / weight.sum(axis=1)


def errors(photons, prior_std, random):
    """Mean square errors: plugged in, quadrature, exact under Gaussian noise, best."""
    mean, variance = random.uniform(0.02, 0.98, SAMPLES), np.full(SAMPLES, prior_std**2)
    x = mean + prior_std * random.normal(size=SAMPLES)
    while (x <= 0).any():  # a prior of brightness has nothing below black
        x = np.where(x > 0, x, mean + prior_std * random.normal(size=SAMPLES))
    y = random.poisson(photons * x) / photons
    expected = photons * X
    poisson = photons * y[:, None] * np.log(expected) - expected - gammaln(photons * y + 1)[:, None]
    gaussian = -0.5 * np.log(X / photons) - 0.5 * (y[:, None] - X) ** 2 / (X / photons)
    results = (
        plugged_in(y, mean, variance, photons)[0],
        quadrature(y, mean, variance, photons),
        integrated(gaussian, mean, variance),
        integrated(poisson, mean, variance),
    )
    return [np.mean((result - x) ** 2) for result in results]


def main():
    """Print the table."""
    print("| λ | prior std | variance at the prior's mean | quadrature | exact under Gaussian noise |")
    print("|---|---|---|---|---|")
    random = np.random.default_rng(0)
    for photons in (2, 5, 10, 30, 100):
        for prior_std in (0.03, 0.1, 0.2):
            *others, best = np.mean([errors(photons, prior_std, random) for _ in range(5)], axis=0)
            excess = " | ".join(f"{10 * np.log10(other / best):+.3f} dB" for other in others)
            print(f"| {photons} | {prior_std} | {excess} |", flush=True)


if __name__ == "__main__":
    main()
