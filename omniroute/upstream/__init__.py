"""The one seam towards providers: transports, guards, time bounds."""
