"""ISO formats, so that times sort correctly and are easy to read aloud."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
