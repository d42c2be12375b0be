-- Names the leaving that a suppression is, for the page that can undo it. Null where nothing can be undone.
ALTER TABLE suppressions ADD COLUMN undo BLOB;
