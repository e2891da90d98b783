// What Linux can do with names and disks that Swift's Glibc does not show.
#ifndef CFILES_H
#define CFILES_H

// All return 0, or -1 with the reason in errno.

// Two names change places at one moment: at none is either of them absent.
int cf_exchange(const char *first, const char *second);

// Renames unless the new name is taken (EEXIST).
int cf_rename_to_free(const char *old_name, const char *new_name);

// Everything written to the file system of an open file is on the disk.
int cf_sync_file_system(int file);

#endif
