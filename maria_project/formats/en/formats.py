"""Times as support reads them aloud and sorts them: ISO order, to the second."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
