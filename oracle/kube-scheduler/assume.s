// The body of assumeCacheAdd is elsewhere.
