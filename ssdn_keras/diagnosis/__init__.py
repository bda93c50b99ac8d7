"""Does the method fit these images? What can be measured of their noise, and what a trained model left over."""
