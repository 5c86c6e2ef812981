from importlib.metadata import version

import ballast


def test_the_package_reports_the_version_it_was_installed_with():
    assert ballast.__version__ == version("ballast")
