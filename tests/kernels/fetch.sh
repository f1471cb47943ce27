#!/usr/bin/env bash
# For build/kernels: gets packages of Debian by apt, and keeps what a guest needs of them.
# usage: fetch.sh kernel DIR RELEASE ARCH
#        fetch.sh programs DIR RELEASE ARCH
# DIR then has vmlinuz, modules.cpio, and the file package with the package's name and version; or root, with the programs
# that tests call on another processor than this one, and their libraries. If that fails, DIR stays as it was.
set -euo pipefail

what=$1 dir=$2 release=$3 arch=$4
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
new=$dir.new
rm -rf "$new"
mkdir -p "$new/work"
trap 'rm -rf "$new"' EXIT
cd "$new/work"
mkdir -p lists/partial archives/partial x root
: >status

# An apt of the other release, apart from that of the machine.
apt=(-q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$PWD/lists"
    -o Dir::State::Status="$PWD/status" -o Dir::Cache="$PWD" -o APT::Architecture="$arch" -o APT::Architectures="$arch"
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Debug::NoLocking=true
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)

quietly() {
    "$@" >log 2>&1 || { cat log >&2; return 1; }
}

# update: gets the lists of the release, and checks their signature if there is a key for it.
update() {
    local mirror unchecked=''
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Label: Debian' || true)
    mirror=${mirror%%$'\n'*}
    echo "deb [arch=$arch signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $release main" >sources.list
    if [[ ! -f $keyring ]] || ! apt-get "${apt[@]}" update >log 2>&1; then
        sed -i 's/signed-by=[^]]*/trusted=yes/' sources.list
        quietly apt-get "${apt[@]}" update
        unchecked=", its signature NOT checked: $keyring has no key for it"
    fi
    echo "$unchecked" >unchecked
}

# unpack: downloads the packages of the kernel and unpacks them in x. In newer releases that of the image has nothing but
# the names of others, which have the kernel and its modules.
unpack() {
    local packages package
    packages=$(apt-cache "${apt[@]}" depends --recurse --important "linux-image-$arch" | grep -E '^linux-[a-z]+-[0-9]')
    for package in $packages; do
        quietly apt-get "${apt[@]}" download "$package"
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C x
    done
    package=$(grep '^linux-image-' <<<"$packages")
    echo "$package $(dpkg-deb -f "$package"_*.deb Version)$(cat unchecked)" >package
}

# keep_modules: makes modules.cpio of the modules that are about networks.
keep_modules() {
    local modules version m
    modules=$(find x -path '*lib/modules/*' -name modules.builtin -type f)
    modules=$(dirname "$modules")
    version=$(basename "$modules")
    mkdir -p "root/lib/modules/$version"
    cp "$modules"/modules.{order,builtin,builtin.modinfo} "root/lib/modules/$version/"
    for m in "$modules"/kernel/{net,lib,crypto,arch/*/crypto} \
        "$modules"/kernel/drivers/net/{*.ko*,can/dev,can/vcan*,bonding,ipvlan,vxlan,wireguard}; do
        if [[ -e $m ]]; then
            mkdir -p "root/lib/modules/$version/$(dirname "${m#"$modules"/}")"
            cp -r "$m" "root/lib/modules/$version/${m#"$modules"/}"
        fi
    done
    find root -name '*.ko.xz' -exec xz -d {} +
    find root -name '*.ko.zst' -exec zstd -dq --rm {} +
    PATH=$PATH:/usr/sbin:/sbin quietly depmod -b root "$version"
    (cd root && find . -mindepth 1 | cpio -o -H newc -R +0:+0 --quiet) >modules.cpio
}

# fetch_kernel: puts vmlinuz, modules.cpio and package into $new.
fetch_kernel() {
    echo "fetching Debian's kernel of $release for $arch"
    update
    unpack
    keep_modules
    mv "$(find x -name 'vmlinu[xz]*' -type f | head -n 1)" ../vmlinuz
    mv modules.cpio package ..
}

# fetch_programs: puts the programs into $new/root/bin and all libraries that their packages depend on into $new/root/lib.
fetch_programs() {
    local package program file
    echo "fetching programs of Debian's $release for $arch"
    update
    quietly apt-get "${apt[@]}" -y --no-install-recommends --download-only install \
        busybox-static iproute2 bash dash util-linux
    for package in archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C x
    done
    mkdir -p root/bin root/lib
    for program in busybox ip tc bash dash setpriv; do
        file=$(find x/bin x/sbin x/usr/bin x/usr/sbin -name "$program" ! -type l -print -quit)
        cp "$file" root/bin/
    done
    cp -P x/lib/*.so* root/lib/ # the loader, which programs name with its path
    find x/lib/*-linux-gnu* x/usr/lib/*-linux-gnu* -maxdepth 0 -type d | while read -r file; do
        mkdir -p "root/lib/$(basename "$file")"
        find "$file" -maxdepth 1 -name '*.so*' -exec cp -P -t "root/lib/$(basename "$file")" {} +
    done
    mv root ..
}

"fetch_$what"
cd /
rm -rf "$new/work" "$dir"
mv "$new" "$dir"
