@echo off
rem Double-click it on Windows: install.py, with whatever Python is here, in a window that stays open.
setlocal EnableExtensions
chcp 65001 >nul 2>&1
set PYTHONUTF8=1
cd /d "%~dp0"
set "PYTHON="
call :find
if defined PYTHON goto run

echo CVMatte needs Python 3.10 or newer, and OBS needs 3.12 or older.
winget --version >nul 2>&1
if errorlevel 1 goto by_hand
set "ANSWER="
set /p "ANSWER=Install Python 3.12 with winget now? Press Enter for yes, N and Enter for no: "
if /i "%ANSWER%"=="n" goto by_hand
winget install --exact --id Python.Python.3.12 --scope user --accept-source-agreements --accept-package-agreements
call :find
if defined PYTHON goto run

:by_hand
echo Install Python 3.12 (64-bit) from https://www.python.org/downloads/windows/, then double-click this again.
set CODE=1
goto end

:run
%PYTHON% install.py %*
set CODE=%ERRORLEVEL%

:end
echo.
if not defined CVMATTE_NO_PAUSE pause
exit /b %CODE%

rem The newest Python that there is, but not the Store's stand-in, which only opens the Store.
:find
for %%V in (3.14 3.13 3.12 3.11 3.10) do call :try py -%%V
for %%V in (314 313 312 311 310) do call :try "%LOCALAPPDATA%\Programs\Python\Python%%V\python.exe"
call :try python
goto :eof

:try
if defined PYTHON goto :eof
%* -c "import sys; sys.exit(sys.version_info < (3, 10))" >nul 2>&1
if not errorlevel 1 set PYTHON=%*
goto :eof
