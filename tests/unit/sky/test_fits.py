"""FITS cut-outs: written by astropy here, and damaged in many ways."""

import io

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.sky.fits import read_fits

fits = pytest.importorskip("astropy.io.fits", reason="astropy is optional")


def content(data, **header):
    """Return the content of a FITS file with one image."""
    file = io.BytesIO()
    fits.PrimaryHDU(data, fits.Header(header)).writeto(file)
    return file.getvalue()


def cut_out(size=10):
    return np.random.default_rng(0).normal(0.01, 0.01, (3, size, size)).astype(np.float32)


def test_rows_are_turned_upright_and_the_scale_is_the_files():
    found = read_fits(content(cut_out(), BANDS="grz", CD1_1=-0.262 / 3600, CD2_1=0.0))
    assert np.array_equal(found.fluxes, cut_out()[:, ::-1])
    assert found.pixel_scale == pytest.approx(0.262)
    assert found.fluxes.dtype == np.float32 and found.fluxes.dtype.isnative


def test_a_turned_matrix_has_the_same_scale_and_none_has_none():
    turned = read_fits(content(cut_out(), CD1_1=0.3 / 3600, CD2_1=0.4 / 3600))
    assert turned.pixel_scale == pytest.approx(0.5)
    assert read_fits(content(cut_out(), CDELT1=-1 / 3600)).pixel_scale == pytest.approx(1)
    assert read_fits(content(cut_out())).pixel_scale is None


def test_an_image_in_an_extension_is_found():
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cut_out())]).writeto(file)
    assert read_fits(file.getvalue()).fluxes.shape == (3, 10, 10)


def lost(band, rows):
    data = cut_out()
    data[band, :rows] = 0
    return data


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (content(cut_out(100))[:-20_000], "not a whole FITS file"),
        (content(cut_out())[:1000], "not a whole FITS file|holds no image"),
        (content(cut_out(), BANDS="griz"), "has the bands 'griz'; allowed is grz"),
        (content(cut_out()[0]), r"holds an image of shape \(10, 10\); allowed is \(3, H, W\)"),
        (content(np.zeros((3, 1, 4000), np.uint8)), "with sides up to 3000 px"),
        (content(None), "holds no image"),
        (content(lost(0, 5)), "has no data in 50% of the band g"),
        (content(lost(2, 1)), "has no data in 10% of the band z"),
        (content(cut_out() * np.nan), "has no data in 100% of the band g"),
        (b"SIMPLE  = nonsense", "not a whole FITS file|holds no image"),
    ],
)
def test_damaged_and_other_files_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        read_fits(given)


def test_a_header_that_claims_more_than_the_file_has_takes_no_memory():
    whole = content(cut_out())
    claims = whole.replace(b"NAXIS1  =                   10", b"NAXIS1  =               100000")
    assert claims != whole
    with pytest.raises(InputError, match="with sides up to 3000 px|not a whole FITS file"):
        read_fits(claims)


def test_a_compressed_image_of_another_shape_is_not_unpacked(monkeypatch):
    fits = pytest.importorskip("astropy.io.fits")
    file = io.BytesIO()
    image = fits.CompImageHDU(np.zeros((1, 300, 300), np.float32), compression_type="GZIP_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)

    def unpacked(self):
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(fits.CompImageHDU, "data", property(unpacked))
    with pytest.raises(InputError, match=r"holds an image of shape \(1, 300, 300\)"):
        read_fits(file.getvalue())
