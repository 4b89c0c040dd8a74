"""Positions on the sky as tables give them: in degrees, or said to be unknown."""

SKY_LIMITS = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}
