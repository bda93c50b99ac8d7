"""Damage to what JSON describes: one value in it becomes another."""

_JUNK = (None, True, False, 0, 1, -1, 2, 3, 1024, 10**6, 2**31, 2**63, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"),
         float("inf"), "", "x", "ssdn", "gauss", "a" * 5000, "é\u202e\x1b[31m\ud800", [], {}, [[]], [0, 1], [1, 0],
         [None, None], [0, 10**400], ["0", "1"], [0, 255], [-5, float("nan")], {"a": 1}, [1, 2, 3])  # fmt: skip


def _deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from _places(child, (*path, key))


def damage(random, value):
    """(value, what was done): junk for a value, a value dropped, or one added."""
    paths = list(_places(value))
    path = random.choice(paths)
    junk = _deep(random.choice((5, 900))) if random.random() < 0.05 else random.choice(_JUNK)
    if not path:
        return (junk, f"all becomes {junk!r:.40}") if random.random() < 0.5 else (value, "nothing")
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    action = random.choice(("change", "change", "change", "drop", "add"))
    if action == "change":
        parent[path[-1]] = junk
    elif action == "drop":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[random.choice(("x", "", "step", "name", "dtype"))] = junk
    else:
        parent.append(junk)
    return value, f"{action} {path[-1]!r:.40} {junk!r:.40}"
