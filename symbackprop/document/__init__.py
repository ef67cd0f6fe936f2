"""The handout as data: blocks of prose and mathematics, and the scalar level that fills its first part."""
