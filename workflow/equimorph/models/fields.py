"""Types of fields by their number."""

from equimorph.groups.escnn import enn, gspaces


def trivial_fields(space: gspaces.GSpace2D, number: int) -> enn.FieldType:
    """Return the type of `number` invariant fields, of a channel each: of images, 3."""
    return enn.FieldType(space, number * [space.trivial_repr])


def regular_fields(space: gspaces.GSpace2D, number: int) -> enn.FieldType:
    """Return the type of `number` regular fields, of |G| channels each."""
    return enn.FieldType(space, number * [space.regular_repr])
