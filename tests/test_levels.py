"""Names of noise models and levels."""

import math

import pytest

from ssdn_keras.noise import NOISE_MODELS, NoiseSpec, make_noise_spec, parse_noise

PUBLISHED = ["gauss25", "gauss5_50", "poisson30", "poisson5_50", "impulse50", "impulse0_100"]


@pytest.mark.parametrize(
    "text, name, levels",
    [
        ("gauss25", "gauss", (25, 25)),
        ("gauss5_50", "gauss", (5, 50)),
        ("gauss0", "gauss", (0, 0)),
        ("gauss255", "gauss", (255, 255)),
        ("gauss2.5_12.75", "gauss", (2.5, 12.75)),
        ("poisson30", "poisson", (30, 30)),
        ("poisson0.1", "poisson", (0.1, 0.1)),
        ("poisson5_1000", "poisson", (5, 1000)),
        ("impulse50", "impulse", (50, 50)),
        ("impulse0_100", "impulse", (0, 100)),
    ],
)
def test_name_and_levels(text, name, levels):
    spec = parse_noise(text)
    assert spec.model is NOISE_MODELS[name]
    assert spec.levels == levels


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_name_without_a_level(name):
    spec = parse_noise(name)
    assert spec.levels is None
    assert spec.varying
    assert str(spec) == name


@pytest.mark.parametrize("text", [*PUBLISHED, "gauss2.5", "gauss0.5_12.75", "poisson0.1"])
def test_name_is_restored(text):
    assert str(parse_noise(text)) == text
    assert parse_noise(str(parse_noise(text))) == parse_noise(text)


def test_range_of_one_level_is_that_level():
    assert str(parse_noise("gauss25_25")) == "gauss25"
    assert not parse_noise("gauss25_25").varying


@pytest.mark.parametrize("text, varying", [("gauss25", False), ("gauss5_50", True), ("impulse0_100", True)])
def test_varying(text, varying):
    assert parse_noise(text).varying is varying


@pytest.mark.parametrize(
    "text, parameters",
    [
        ("gauss5_50", (5 / 255, 50 / 255)),
        ("poisson5_50", (5, 50)),
        ("impulse0_100", (0, 1)),
        ("impulse50", (0.5, 0.5)),
    ],
)
def test_parameters_in_network_units(text, parameters):
    assert parse_noise(text).parameters == pytest.approx(parameters)


def test_a_parsed_name_is_passed_through():
    spec = parse_noise("gauss25")
    assert parse_noise(spec) is spec


def test_equal_names_are_equal_and_hashable():
    assert parse_noise("gauss25") == parse_noise("gauss25.0")
    assert len({parse_noise(text) for text in PUBLISHED}) == len(PUBLISHED)


def test_made_from_numbers():
    assert make_noise_spec("gauss", 5, 50) == NoiseSpec(NOISE_MODELS["gauss"], (5, 50)) == parse_noise("gauss5_50")


@pytest.mark.parametrize(
    "text, suggestion",
    [
        ("gaus25", "gauss25"),
        ("Gauss25", "gauss25"),
        ("GAUSS5_50", "gauss5_50"),
        ("gaussian25", "gauss25"),
        ("poison30", "poisson30"),
        ("impuls50", "impulse50"),
    ],
)
def test_misspelt_name_gets_a_suggestion(text, suggestion):
    with pytest.raises(ValueError) as error:
        parse_noise(text)
    assert f"did you mean {suggestion}?" in str(error.value)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["", "25", "25gauss", "_gauss25", "xyz25", "gaussnan", None, 25])
def test_unknown_name_lists_the_known_ones(text):
    with pytest.raises(ValueError, match="expected one of gauss, poisson, impulse"):
        parse_noise(text)


@pytest.mark.parametrize("name", ["gauss", "poisson", "impulse"])
@pytest.mark.parametrize(
    "level", ["-5", " 25", "25%", "25\n", "5_", "_50", "5-50", "5,50", "5_50_60", "1e2", ".5", "5.", "5_fifty"]
)
def test_malformed_level_shows_examples_for_that_noise(name, level):
    with pytest.raises(ValueError, match=f"number or a range LOW_HIGH, such as {name}25 or {name}5_50$"):
        parse_noise(name + level)


@pytest.mark.parametrize("text, correct", [("gauss50_5", "gauss5_50"), ("impulse100_0", "impulse0_100")])
def test_range_the_wrong_way_round(text, correct):
    with pytest.raises(ValueError, match=f"{text}.*wrong way round; write {correct}$"):
        parse_noise(text)


@pytest.mark.parametrize(
    "text, limits",
    [
        ("gauss256", "from 0 to 255"),
        ("gauss25_300", "from 0 to 255"),
        ("impulse150", "from 0 to 100"),
        ("impulse0_101", "from 0 to 100"),
        ("poisson0", "above 0"),
        ("poisson0_50", "above 0"),
    ],
)
def test_level_out_of_range(text, limits):
    with pytest.raises(ValueError, match=f"{text}.*must be {limits}$"):
        parse_noise(text)


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="from 0 to 100"):
        make_noise_spec("impulse", -1, 50)
    with pytest.raises(ValueError, match="wrong way round"):
        make_noise_spec("gauss", 50, 5)
    with pytest.raises(ValueError, match=r"σ in the units of the images \(0..3900\)\) must be finite"):
        make_noise_spec("gauss", 5, float("inf"), span=3900.0)


@pytest.mark.parametrize(
    "text", ["gauss100000000000", "gauss0_55", "poisson30", "impulse100", "poisson_gauss0+9000000000"]
)
def test_where_the_range_is_not_known_no_level_is_too_high(text):
    spec = parse_noise(text, math.inf)
    assert str(spec) == text and "inf" not in spec.unit


def test_unit_where_the_range_is_not_known():
    with pytest.raises(ValueError, match=r"\(gain and read noise in the units of the images\) must be above 0"):
        parse_noise("poisson_gauss0+0", math.inf)
    with pytest.raises(ValueError, match="from 0 to 100$"):
        parse_noise("impulse101", math.inf)
