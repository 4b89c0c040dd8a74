"""Field types: a number of trivial or of regular fields."""

from equimorph.groups.escnn import enn, gspaces


def trivial_fields(space: gspaces.GSpace2D, number: int) -> enn.FieldType:
    """Return the type of `number` trivial fields, of one channel each; an image is 3 of them."""
    return enn.FieldType(space, number * [space.trivial_repr])


def regular_fields(space: gspaces.GSpace2D, number: int) -> enn.FieldType:
    """Return the type of `number` regular fields, of |G| channels each."""
    return enn.FieldType(space, number * [space.regular_repr])
