"""Self-supervised denoising with a blind spot and the noise model's posterior (paper, sections 3.2 to 3.5)."""

from ssdn_keras.noise import covariance


class BlindSpotPosterior:
    """The network's prior of a pixel, from its surroundings, joined with the pixel's own noisy value."""

    name = "ssdn"
    blind = True
    uses_noise_model = True
    has_posterior = True
    target = None
    replacement = None

    def needs(self, noise_model):
        """Names of what must lie beside the noisy image in a training: nothing."""
        return []

    def components(self, channels, diagonal):
        """Number of network outputs."""
        return covariance.component_count(channels, diagonal)

    def outputs(self, network_output, noisy, noise_model, strength, diagonal):
        """Dict of mean, denoised, std (N×H×W×C), network_std and noise_std (N×H×W)."""
        mean, columns = covariance.split_components(network_output, noisy.shape[-1], diagonal)
        return {"mean": mean, **noise_model.posterior(noisy, mean, columns, strength)}

    def loss_per_pixel(self, network_output, noisy, beside, noise_model, strength, diagonal, estimated):
        """Negative log-likelihood of the noisy image, N×H×W."""
        mean, columns = covariance.split_components(network_output, noisy.shape[-1], diagonal)
        return noise_model.loss_per_pixel(noisy, mean, columns, strength, estimated)
