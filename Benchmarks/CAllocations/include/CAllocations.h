/// How often memory was asked for by this process so far; 0 for ever where that cannot be counted.
unsigned long allocation_count(void);
