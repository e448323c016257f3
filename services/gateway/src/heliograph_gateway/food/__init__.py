"""Food diaries: entries that are made of analyses, kept here and given to a user service where there is one."""
