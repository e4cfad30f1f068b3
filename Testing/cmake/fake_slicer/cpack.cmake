# The fake's (see SlicerConfig.cmake): Slicer makes the extension package here.
record(cpack ${PROJECT_NAME})
