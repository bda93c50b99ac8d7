"""Damage to files that are a row of parts, each of a kind and with content: chunks of PNG, segments of JPEG files."""


def damage(random, split, data, other, ways, rename):
    """Change, drop, repeat, move or rename parts.

    Args:
        random: random.Random.
        split: function (bytes) → list of parts (kind, content).
        data: the file.
        other: another file of the kind, of which a part may be taken.
        ways: functions as `raw.damage`, one of which changes the content; those named twice are as much likelier.
        rename: function (random) → a kind.

    Returns:
        (list of parts, list of (kind, what was done)).
    """
    found, done = split(data), []
    for _ in range(random.choice((1, 1, 2, 3))):
        if not found:
            break
        at, to = random.randrange(len(found)), random.randrange(len(found))
        kind, content = found[at]
        action = random.choice((*ways, "drop", "repeat", "move", "rename", "take"))
        if action in ways:
            content, action = action(random, content, other)
            found[at] = kind, content
        elif action == "drop":
            del found[at]
        elif action == "repeat":
            found.insert(to, found[at])
        elif action == "move":
            found.insert(to, found.pop(at))
        elif action == "rename":
            found[at] = rename(random), content
        elif parts := split(other):
            found.insert(at, random.choice(parts))
        done.append((kind, action))
    return found, done
