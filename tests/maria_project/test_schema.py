"""docs/openapi.yaml is usable by programs that generate clients and by people who read its viewer."""

import yaml

from tests.maria_project.pages import ROOT
from uploads_app.inspection.file_types import KNOWN_TYPES

DOCUMENT = yaml.load((ROOT / "docs/openapi.yaml").read_text(), yaml.CSafeLoader)
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_each_operation_has_a_summary_of_its_own() -> None:
    summaries = [operation.get("summary", "") for operation in OPERATIONS.values()]
    assert all(0 < len(summary) <= 40 for summary in summaries), OPERATIONS.keys()
    assert len(set(summaries)) == len(summaries) > 20


def test_downloads_are_binary_under_a_media_type_that_generated_clients_know() -> None:
    downloads = [label for label in OPERATIONS if label.endswith("/download/")]
    assert len(downloads) == 2
    for label in downloads:
        content = OPERATIONS[label]["responses"]["200"]["content"]
        assert next(iter(content)) == "application/octet-stream"
        assert content.keys() == {"application/octet-stream", *KNOWN_TYPES.values()}
        for media_type in content.values():
            assert media_type == {"schema": {"type": "string", "format": "binary"}}


def test_no_response_has_a_media_range() -> None:
    for label, operation in OPERATIONS.items():
        for response in operation["responses"].values():
            assert not [name for name in response.get("content", {}) if "*" in name], label


def test_tags_are_described_visitors_first() -> None:
    tags = [tag["name"] for tag in DOCUMENT["tags"]]
    assert tags == ["sessions", "uploads", "service", "audit"]
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == {*tags}
