# The fake's (see SlicerConfig.cmake): Slicer writes the extension's description from these.
foreach(name HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  record(metadata ${name} "${EXTENSION_${name}}")
endforeach()
