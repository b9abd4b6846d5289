"""Files where others write too: how they are opened, and how one takes another's place."""
