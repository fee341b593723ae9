"""Which folders REDIS_DEV_CACHE may name."""
import os
from unittest import mock

from made_up import Case

from devcluster import cachefolder, mounts, settings
from devcluster.report import Failure


class CacheFolder(Case):
    """Which folders REDIS_DEV_CACHE may name."""

    def refused(self, folder):
        with mock.patch.dict(os.environ, {"REDIS_DEV_CACHE": str(folder)}):
            settings._chosen_cache.cache_clear()
            try:
                settings.run()
            except Failure as failure:
                return failure.text()
        return None

    def test_folders_of_the_system_and_homes(self):
        link = self.root / "link"
        link.symlink_to("/")
        with mock.patch.dict(os.environ, {"HOME": str(self.root / "homes" / "me")}):
            for folder in ("/", "/usr", "/usr/local", "/usr/lib", "/var", "/var/lib", "/var/tmp", "/home", "/home/me",
                           "/root", "/etc", "/etc/x", "/tmp", "/run", "/run/containerd", "/var/lib/kubelet/x", "/proc/x",
                           "/usr/../opt", link, self.root / "homes" / "me", self.root / "homes", settings.REPOSITORY,
                           settings.REPOSITORY.parent):
                with self.subTest(folder):
                    said = self.refused(folder)
                    self.assertRegex(said, r"REDIS_DEV_CACHE=.* cannot be the cache: /.* (is|holds) ")
                    self.assertIn("what to do: name a folder", said)
            for folder in ("/opt/cache", "/var/lib/cache", "/home/me/cache", "/srv/cache/x", self.root / "homes/me/x",
                           settings.REPOSITORY / ".cache", "/usr2", "/etcetera"):
                with self.subTest(folder):
                    self.assertIsNone(self.refused(folder))

    def test_the_root_of_a_mounted_file_system(self):
        table = self.file("mountinfo", f"44 29 254:1 / {self.root}/disk rw - ext4 /dev/vdb rw\n")
        with mock.patch.object(mounts, "TABLE", str(table)):
            self.assertIn("root of a mounted file system", self.refused(self.root / "disk"))
            self.assertIsNone(self.refused(self.root / "disk" / "cache"))
            self.file("disk/run/state.json", "{}")
            self.assertIsNone(self.refused(self.root / "disk"), "down must find a cluster of an earlier version")

    def test_without_the_variable(self):
        with mock.patch.dict(os.environ, {"REDIS_DEV_CACHE": "", "XDG_CACHE_HOME": str(self.root)}):
            self.assertEqual(settings.cache(), self.root / cachefolder.NAME)
