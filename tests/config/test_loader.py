"""Includes add, overlays override; what leads out of the folder is refused."""

from __future__ import annotations

import os
from pathlib import Path

from omniroute.active.disk import Disk
from omniroute.config.loader import TextReader, load_tree
from omniroute.config.yamltree import to_plain


def load(files: dict[str, str], *roots: str) -> tuple[object, list[str]]:
    reader = TextReader({name: text.encode() for name, text in files.items()})
    loaded = load_tree(roots or (next(iter(files)),), reader)
    tree = None if loaded.root is None else to_plain(loaded.root)
    return tree, [
        f"{d} [{', '.join(str(other.mark) for other in d.related)}]" for d in loaded.diagnostics
    ]


def test_includes_join_sections_and_lists_in_order() -> None:
    tree, findings = load(
        {
            "main.yaml": "version: 1\ninclude: [b.yaml, 'teams/*.yaml']\npolicies: [{id: p0}]\n",
            "b.yaml": "version: 1\nkeys: {b: {}}\npolicies: [{id: p1}]\nserver: {port: 1}\n",
            "teams/y.yaml": "keys: {y: {}}\npolicies: [{id: p3}]\n",
            "teams/x.yaml": "keys: {x: {}}\npolicies: [{id: p2}]\nserver: {host: h}\n",
        }
    )
    assert findings == []
    assert tree == {
        "version": 1,
        "include": ["b.yaml", "teams/*.yaml"],
        "policies": [{"id": "p0"}, {"id": "p1"}, {"id": "p2"}, {"id": "p3"}],
        "keys": {"b": {}, "x": {}, "y": {}},
        "server": {"port": 1, "host": "h"},
    }


def test_the_same_id_or_setting_in_two_files_names_both_places() -> None:
    _, findings = load(
        {
            "main.yaml": "include: ['*.inc.yaml']\nkeys:\n  ci: {a: 1}\nserver: {port: 1}\n",
            "a.inc.yaml": "keys:\n  ci: {b: 2}\nserver: {port: 2}\n",
        }
    )
    hint = "is already declared in another file"
    assert findings == [
        f'a.inc.yaml:2:3 OR124 "ci" {hint} [main.yaml:3:3]',
        f'a.inc.yaml:3:10 OR124 "port" {hint} [main.yaml:4:10]',
    ]


def test_an_empty_section_is_no_declaration() -> None:
    tree, findings = load({"m.yaml": "include: [a.yaml]\nkeys:\n", "a.yaml": "keys: {a: {}}\n"})
    assert findings == []
    assert tree == {"include": ["a.yaml"], "keys": {"a": {}}}


def test_nested_includes_start_from_their_own_folder() -> None:
    tree, findings = load(
        {
            "m.yaml": "include: [sub/a.yaml]\n",
            "sub/a.yaml": "include: [b.yaml]\nkeys: {a: {}}\n",
            "sub/b.yaml": "keys: {b: {}}\n",
        }
    )
    assert findings == []
    assert tree == {"include": ["sub/a.yaml"], "keys": {"a": {}, "b": {}}}


def test_circles_and_repeats_are_named() -> None:
    _, findings = load(
        {"m.yaml": "include: [a.yaml, a.yaml]\n", "a.yaml": "include: [m.yaml, a.yaml]\n"}
    )
    assert findings == [
        "a.yaml:1:11 OR122 m.yaml is included twice, or includes itself [m.yaml:1:1]",
        "a.yaml:1:19 OR122 a.yaml is included twice, or includes itself [m.yaml:1:11]",
        "m.yaml:1:19 OR122 a.yaml is included twice, or includes itself [m.yaml:1:11]",
    ]


def test_missing_files_and_empty_patterns() -> None:
    _, findings = load({"m.yaml": "include: [gone.yaml, 'no/*.yaml']\n"})
    assert findings == [
        "m.yaml:1:11 OR120 cannot read gone.yaml: No such file []",
        'm.yaml:1:22 OR121 "no/*.yaml" matches no file []',
    ]


def test_paths_that_lead_out_are_refused() -> None:
    files = {
        "conf/m.yaml": "include: [../x.yaml, /x.yaml, 'a/../../x.yaml', '../conf/y.yaml']\n",
        "x.yaml": "keys: {x: {}}\n",
        "conf/y.yaml": "keys: {y: {}}\n",
    }
    tree, findings = load(files)
    assert [finding.split()[1] for finding in findings] == ["OR123"] * 3
    assert isinstance(tree, dict)
    assert tree["keys"] == {"y": {}}


def test_a_main_file_above_the_working_folder_keeps_its_includes_in_its_own() -> None:
    files = {"../m.yaml": "include: [a.yaml, ../../b.yaml]\n", "../a.yaml": "keys: {a: {}}\n"}
    reader = TextReader({name: text.encode() for name, text in files.items()})
    codes = [item.code for item in load_tree(["../m.yaml"], reader).diagnostics]
    assert codes == ["OR123"]


def test_symbolic_links_may_stay_inside_and_not_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("keys: {out: {}}\n")
    folder = tmp_path / "etc"
    revision = folder / "..2026_11_24"
    revision.mkdir(parents=True)
    (revision / "omniroute.yaml").write_text("include: ['*.inc.yaml']\n")
    (revision / "a.inc.yaml").write_text("keys: {a: {}}\n")
    # As Kubernetes lays out a ConfigMap: files link into `..data`, which links to a revision.
    (folder / "..data").symlink_to(revision.name)
    (folder / "omniroute.yaml").symlink_to("..data/omniroute.yaml")
    (folder / "a.inc.yaml").symlink_to("..data/a.inc.yaml")
    (folder / "b.inc.yaml").symlink_to(outside)
    loaded = load_tree([str(folder / "omniroute.yaml")], Disk())
    assert [item.code for item in loaded.diagnostics] == ["OR123"]
    assert loaded.root is not None
    assert to_plain(loaded.root) == {"include": ["*.inc.yaml"], "keys": {"a": {}}}
    assert list(loaded.sources) == [
        str(folder / "omniroute.yaml"),
        os.path.normpath(folder / "a.inc.yaml"),
    ]


def test_overlays_merge_maps_replace_the_rest_and_null_removes() -> None:
    tree, findings = load(
        {
            "base.yaml": "server: {host: a, port: 1}\nkeys: {x: {t: [1]}, y: {t: 1}}\nusage: {}\n",
            "prod.yaml": "server: {port: 2}\nkeys: {x: {t: [3]}, y: null, z: {t: 2}}\nusage: ~\n",
        },
        "base.yaml",
        "prod.yaml",
    )
    assert findings == []
    assert tree == {
        "server": {"host": "a", "port": 2},
        "keys": {"x": {"t": [3]}, "z": {"t": 2}},
    }


def test_each_overlay_has_its_own_includes() -> None:
    tree, findings = load(
        {
            "base/m.yaml": "include: [k.yaml]\n",
            "base/k.yaml": "keys: {a: {t: 1}}\n",
            "prod/m.yaml": "include: [k.yaml]\n",
            "prod/k.yaml": "keys: {a: {t: 2}}\n",
        },
        "base/m.yaml",
        "prod/m.yaml",
    )
    assert findings == []
    assert tree == {"include": ["k.yaml"], "keys": {"a": {"t": 2}}}


def test_patterns_are_reported_for_watching() -> None:
    loaded = load_tree(
        ["conf/m.yaml"], TextReader({"conf/m.yaml": b"include: [a.yaml, 'teams/**/*.yaml']\n"})
    )
    assert loaded.patterns == (
        "conf/a.yaml",
        "conf/teams/**/*.yaml",
        "conf/presets/*.yaml",
    )


def test_a_device_without_an_end_is_refused_for_its_size() -> None:
    loaded = load_tree(["/dev/zero"], Disk())
    assert [(item.code, item.message) for item in loaded.diagnostics] == [
        ("OR103", "the file has more than the 16 MiB allowed for one file")
    ]
