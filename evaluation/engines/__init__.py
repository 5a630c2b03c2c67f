"""Who does the units of a run: processes here, actors of a Ray cluster; and how a run is parted."""
