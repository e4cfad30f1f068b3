# NOT Slicer: a small fake of its build system, for Testing/Python/unit/test_extension.py. It imitates
#   find_package(Slicer), which gives Slicer_USE_FILE, Slicer_EXTENSION_GENERATE_CONFIG, Slicer_EXTENSION_CPACK and the
#     folders of scripted modules in the build and in the install tree;
#   slicerMacroBuildScriptedModule(NAME SCRIPTS RESOURCES WITH_GENERIC_TESTS WITH_SUBDIR): refuses unknown keywords and files
#     that do not exist, installs the rest under the same relative names;
#   slicer_add_python_unittest; Slicer_LAUNCHER_EXECUTABLE, which a test calls.
# What each was asked is written to recorded.txt in the build folder, one line a call, fields parted by "|".

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/use.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/generate_config.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/cpack.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
set(Slicer_LAUNCHER_EXECUTABLE "${CMAKE_CURRENT_LIST_DIR}/Slicer")
file(WRITE "${CMAKE_BINARY_DIR}/recorded.txt" "")
